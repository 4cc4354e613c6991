# SPDX-License-Identifier: Apache-2.0
"""Pictures for the model card: generated beside real for every class, and the preview."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from texgen.recipes.build import make_recipe
from texgen_server.backend import Backend
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis
from texgen_server.registry import MaterialModel
from texgen_server.training.material.data import Pack
from texgen_server.training.material.evaluate_controls import draw_strips
from texgen_server.training.material.samples import lit

TILE_PX = 512
SHOWN_PX = 190
SHOWN_TILES = 1.25
"""Pictures show this many tiles on an edge, so that the seam lies within."""
REAL_COLUMNS = 2
SEEDS = (1, 2, 3, 4)
CLASSES_PER_PICTURE = 7
PREVIEW = (
    ("gravel", 2),
    ("bark", 10),
    ("roofing", 1),
    ("lava", 1),
    ("metal", 3),
    ("paving", 2),
    ("grass", 2),
    ("wood", 1),
    ("ground", 2),
    ("brick", 7),
)
"""Class and seed of the samples in the preview: picked by eye, and the card says so."""
PREVIEW_PX = 256
PREVIEW_BYTES = 300_000

Picture = NDArray[np.uint8]


def write_pictures(model: MaterialModel, backend: Backend, pack: Pack, folder: Path) -> None:
    """``classes_<n>.webp``, ``controls.webp`` and ``preview.png``; each at most 300 kB."""
    folder.mkdir(parents=True, exist_ok=True)
    classes = model.card.classes
    for number, start in enumerate(range(0, len(classes), CLASSES_PER_PICTURE), 1):
        rows = [
            _class_row(model, backend, pack, c.name, c.materials)
            for c in classes[start : start + CLASSES_PER_PICTURE]
        ]
        save_webp(Image.fromarray(np.concatenate(rows)), folder / f"classes_{number}.webp")
    draw_strips(model, backend, folder / "controls.webp")
    known = model.card.class_names()
    shown = [
        _lit_sample(model, backend, name, seed, PREVIEW_PX)
        for name, seed in PREVIEW
        if name in known
    ]
    half = len(shown) // 2
    save_png(
        Image.fromarray(
            np.concatenate([np.concatenate(r, 1) for r in (shown[:half], shown[half : 2 * half])])
        ),
        folder / "preview.png",
    )


def _class_row(
    model: MaterialModel, backend: Backend, pack: Pack, name: str, materials: tuple[str, ...]
) -> Picture:
    """A label, up to two real materials, a gap, four generated ones; all lit and tiled."""
    picked = (
        [materials[i * len(materials) // REAL_COLUMNS] for i in range(REAL_COLUMNS)]
        if len(materials) > 1
        else list(materials)
    )
    real = [_lit_real(pack, asset) for asset in picked]
    real += [np.full((SHOWN_PX, SHOWN_PX, 3), 255, np.uint8)] * (REAL_COLUMNS - len(real))
    made = [_tiled(_lit_sample(model, backend, name, seed, TILE_PX)) for seed in SEEDS]
    gap = np.full((SHOWN_PX, 12, 3), 255, np.uint8)
    return np.concatenate([_label(name), *real, gap, *made], 1)


def _lit_sample(
    model: MaterialModel, backend: Backend, name: str, seed: int, size_px: int
) -> Picture:
    recipe = make_recipe(model.card, [(name, 1.0)], seed, (size_px, size_px))
    plan = make_plan(recipe, model.tables, model.shape)
    raw, relief = Synthesis(backend, model.shape).raw(plan)
    return lit(torch.from_numpy(raw)[None], torch.tensor([relief * plan.canvas.tile_px]))[0]


def _lit_real(pack: Pack, asset: str) -> Picture:
    index = pack.assets.index(asset)
    maps = torch.from_numpy(pack.maps[TILE_PX][index].astype(np.float32) / 65535.0)[None]
    return _tiled(lit(maps, pack.relief[index : index + 1] * TILE_PX)[0])


def _tiled(picture: Picture) -> Picture:
    edge = int(TILE_PX * SHOWN_TILES)
    picture = np.tile(picture, (2, 2, 1))[:edge, :edge]
    return np.asarray(
        Image.fromarray(picture).resize((SHOWN_PX, SHOWN_PX), Image.Resampling.LANCZOS)
    )


def _label(text: str) -> Picture:
    image = Image.new("RGB", (SHOWN_PX, 50), "white")
    ImageDraw.Draw(image).text((6, 12), text, fill="black", font_size=22)
    return np.asarray(image.rotate(90, expand=True).resize((50, SHOWN_PX)))


def save_webp(image: Image.Image, path: Path) -> None:
    """The best quality that stays within the limit."""
    for quality in (85, 75, 65, 55, 45, 35):
        image.save(path, quality=quality, method=6)
        if path.stat().st_size <= PREVIEW_BYTES:
            return


def save_png(image: Image.Image, path: Path) -> None:
    """A palette picture, shrunk until it stays within the limit."""
    while True:
        image.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
        if path.stat().st_size <= PREVIEW_BYTES:
            return
        image = image.resize(
            (int(image.width * 0.9), int(image.height * 0.9)), Image.Resampling.LANCZOS
        )
