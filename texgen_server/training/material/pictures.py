# SPDX-License-Identifier: Apache-2.0
"""Pictures for the material model's card: generated beside real ones, and the preview."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from texgen.maps import to_unit
from texgen.recipes.build import make_recipe
from texgen_server.backend import Backend
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis
from texgen_server.registry import MaterialModel
from texgen_server.training.material.data import Pack
from texgen_server.training.material.evaluate_controls import draw_strips
from texgen_server.training.material.samples import lit
from texgen_server.training.picture_files import save_png, save_webp

TILE_PX = 512
THUMBNAIL_PX = 190
THUMBNAIL_TILES = 1.25
"""Tiles on the edge of a thumbnail, more than one so that a seam would show."""
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

Picture = NDArray[np.uint8]


def write_pictures(model: MaterialModel, backend: Backend, pack: Pack, folder: Path) -> None:
    """Write ``classes_<n>.webp``, ``controls.webp`` and ``preview.png``, each at most 300 kB."""
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
    samples = [
        _lit_sample(model, backend, name, seed, PREVIEW_PX)
        for name, seed in PREVIEW
        if name in known
    ]
    half = len(samples) // 2
    rows = [np.concatenate(part, 1) for part in (samples[:half], samples[half : 2 * half])]
    save_png(Image.fromarray(np.concatenate(rows)), folder / "preview.png")


def _class_row(
    model: MaterialModel, backend: Backend, pack: Pack, name: str, materials: tuple[str, ...]
) -> Picture:
    """Return a row: label, up to two real materials, a gap, four generated ones, lit and tiled."""
    picked = (
        [materials[i * len(materials) // REAL_COLUMNS] for i in range(REAL_COLUMNS)]
        if len(materials) > 1
        else list(materials)
    )
    real = [_lit_real(pack, asset) for asset in picked]
    real += [np.full((THUMBNAIL_PX, THUMBNAIL_PX, 3), 255, np.uint8)] * (REAL_COLUMNS - len(real))
    made = [_tiled(_lit_sample(model, backend, name, seed, TILE_PX)) for seed in SEEDS]
    gap = np.full((THUMBNAIL_PX, 12, 3), 255, np.uint8)
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
    maps = torch.from_numpy(to_unit(pack.maps[TILE_PX][index]))[None]
    return _tiled(lit(maps, pack.relief[index : index + 1] * TILE_PX)[0])


def _tiled(picture: Picture) -> Picture:
    edge = int(TILE_PX * THUMBNAIL_TILES)
    picture = np.tile(picture, (2, 2, 1))[:edge, :edge]
    return np.asarray(
        Image.fromarray(picture).resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    )


def _label(text: str) -> Picture:
    image = Image.new("RGB", (THUMBNAIL_PX, 50), "white")
    ImageDraw.Draw(image).text((6, 12), text, fill="black", font_size=22)
    return np.asarray(image.rotate(90, expand=True).resize((50, THUMBNAIL_PX)))
