# SPDX-License-Identifier: Apache-2.0
"""Pictures for the environment model's card: each class real, through its code and sampled, with
a mirror ball and a grey ball in its light.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from texgen.render.panorama import (
    MIDDLE_GREY,
    expose,
    geometric_mean,
    harmonics,
    irradiance_harmonics,
    radiance_harmonics,
    sampled,
)
from texgen_server.training.environment.data import HdrPack
from texgen_server.training.environment.evaluated_model import EvaluatedModel
from texgen_server.training.picture_files import save_png, save_webp

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]

PANORAMA_PX = 384
"""Width of a panorama in the pictures."""
BALL_PX = 96
GREY = 0.5
"""Albedo of the grey ball."""
CLASSES_PER_PICTURE = 4
SAMPLE_COLUMNS = 2
DAY_CLASS, DAY_SEED = "outdoor_clear", 5
DAY_ELEVATIONS_DEG = (-6.0, 0.0, 6.0, 20.0, 45.0, 75.0)


def write_pictures(
    model: EvaluatedModel,
    pack: HdrPack,
    own: dict[int, int],
    samples: dict[str, list[Array]],
    folder: Path,
) -> None:
    """Write ``classes_<n>.webp`` (a row for each class), ``day.webp`` (one place from night to
    noon) and ``preview.png``.

    ``own`` gives the model's row of each training map, ``samples`` the panoramas of each class.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, made in samples.items():
        index = next(i for i in own if pack.classes[i] == name)
        panels = [pack.panorama(index), model.training_map(own[index]), *made[:SAMPLE_COLUMNS]]
        rows.append(_titled(np.concatenate([framed(p) for p in panels], 1), name))
    for number, first in enumerate(range(0, len(rows), CLASSES_PER_PICTURE), 1):
        picture = np.concatenate(rows[first : first + CLASSES_PER_PICTURE])
        save_webp(Image.fromarray(picture), folder / f"classes_{number}.webp")
    save_webp(Image.fromarray(_day(model)), folder / "day.webp")
    best = [framed(ps[0]) for ps in samples.values()]
    half = len(best) // 2
    columns = [np.concatenate(part, 0) for part in (best[:half], best[half : 2 * half])]
    save_png(Image.fromarray(np.concatenate(columns, 1)), folder / "preview.png")


def _day(model: EvaluatedModel) -> Bytes:
    """Return one place at six elevations of the sun, in two rows."""
    panels = [
        framed(model.sample(DAY_CLASS, DAY_SEED, sun_elevation_deg=e, sun_azimuth_deg=-60.0))
        for e in DAY_ELEVATIONS_DEG
    ]
    half = len(panels) // 2
    rows = [np.concatenate(part, 1) for part in (panels[:half], panels[half:])]
    return np.concatenate(rows)


def framed(panorama: Array) -> Bytes:
    """Return the panorama, tone-mapped, with the balls that it lights below it, at the same
    exposure.
    """
    exposure = MIDDLE_GREY / geometric_mean(panorama)
    step = panorama.shape[1] // PANORAMA_PX if panorama.shape[1] % PANORAMA_PX == 0 else 1
    small = panorama.reshape(
        panorama.shape[0] // step, step, panorama.shape[1] // step, step, 3
    ).mean((1, 3))
    picture = np.asarray(
        Image.fromarray(expose(small, exposure)).resize(
            (PANORAMA_PX, PANORAMA_PX // 2), Image.Resampling.LANCZOS
        )
    )
    balls = np.concatenate([expose(ball, exposure) for ball in relit_balls(panorama)], 1)
    strip = np.zeros((BALL_PX, PANORAMA_PX, 3), np.uint8)
    left = (PANORAMA_PX - balls.shape[1]) // 2
    strip[:, left : left + balls.shape[1]] = balls
    return np.concatenate([picture, strip])


def relit_balls(panorama: Array, size_px: int = BALL_PX) -> tuple[Array, Array]:
    """Return a mirror ball and a grey one (albedo `GREY`), (size, size, 3) radiance, seen from
    azimuth 180: the viewer looks towards azimuth 0.
    """
    along = (np.arange(size_px) + 0.5) * (2.0 / size_px) - 1.0
    right, up = np.meshgrid(along, -along)
    inside = right**2 + up**2 < 1.0
    towards_viewer = np.sqrt(np.maximum(1.0 - right**2 - up**2, 0.0))
    normal = np.stack([right, up, -towards_viewer], -1).astype(np.float32)
    view = np.array([0.0, 0.0, 1.0], np.float32)
    mirrored = view - 2.0 * (normal @ view)[..., None] * normal
    mirror = (
        sampled(
            panorama, mirrored / np.maximum(np.linalg.norm(mirrored, axis=-1, keepdims=True), 1e-6)
        )
        * inside[..., None]
    )
    light = harmonics(normal) @ irradiance_harmonics(radiance_harmonics(panorama))
    grey = np.maximum(light, 0.0) * np.float32(GREY / np.pi) * inside[..., None]
    return mirror.astype(np.float32), grey.astype(np.float32)


def _titled(row: Bytes, name: str) -> Bytes:
    picture = Image.fromarray(row)
    ImageDraw.Draw(picture).text((4, 4), f"{name}: real, through its code, samples", "white")
    return np.asarray(picture)
