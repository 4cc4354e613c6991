# SPDX-License-Identifier: Apache-2.0
"""Pictures for the estimator's card: maps filled from a basecolor alone above the real ones, and
crops made tileable.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texgen.maps import FILLABLE, MapKind, Pixels, from_unit, to_unit
from texgen_server.backend import Backend
from texgen_server.repair.missing_maps import fill_maps
from texgen_server.repair.seams import make_tileable
from texgen_server.training.picture_files import save_webp

SHOWN_ASSETS = (
    "Tiles045",
    "bark_willow_02",
    "coast_sand_rocks_02",
    "CorrugatedSteel003",
    "Rust004",
)
CELL_PX = 180
CROP = slice(37, 437), slice(21, 401)
"""Rows and columns of the crops that do not tile."""


def draw_filled(
    truths: dict[int, dict[MapKind, Pixels]],
    names: dict[int, str],
    backend: Backend,
    share: NDArray[np.float32],
    folder: Path,
) -> None:
    """Write ``filled.webp``, at most 300 kB: for each material its basecolor, then each fillable
    map, estimated above real.
    """
    rows = []
    for index, name in names.items():
        if name in SHOWN_ASSETS:
            made = fill_maps(
                {MapKind.BASECOLOR: truths[index][MapKind.BASECOLOR]}, FILLABLE, backend, share
            ).maps
            kinds = (MapKind.BASECOLOR, *FILLABLE)
            rows += [
                np.concatenate([_cell(maps[kind]) for kind in kinds], 1)
                for maps in (truths[index] | made, truths[index])
            ]
    folder.mkdir(parents=True, exist_ok=True)
    save_webp(Image.fromarray(np.concatenate(rows)), folder / "filled.webp")


def draw_repaired(
    truths: dict[int, dict[MapKind, Pixels]], names: dict[int, str], folder: Path
) -> None:
    """Write ``tiled.webp``, at most 300 kB: a crop of each material, two by two, as it is and made
    tileable, in basecolor and normal.
    """
    rows = []
    for index, name in names.items():
        if name in SHOWN_ASSETS:
            crop = cropped(truths[index])
            made = make_tileable(crop, (True, True))
            kinds = (MapKind.BASECOLOR, MapKind.NORMAL)
            rows.append(
                np.concatenate(
                    [
                        _cell(np.tile(maps[kind], (2, 2, 1)), 2 * CELL_PX)
                        for kind in kinds
                        for maps in (crop, made)
                    ],
                    1,
                )
            )
    folder.mkdir(parents=True, exist_ok=True)
    save_webp(Image.fromarray(np.concatenate(rows)), folder / "tiled.webp")


def cropped(maps: dict[MapKind, Pixels]) -> dict[MapKind, Pixels]:
    """Return a part of a material that does not tile."""
    return {kind: pixels[CROP].copy() for kind, pixels in maps.items()}


def _cell(pixels: NDArray[Any], edge_px: int = CELL_PX) -> NDArray[np.uint8]:
    samples = from_unit(to_unit(pixels), np.uint8, half_to_even=True)
    picture = Image.fromarray(np.broadcast_to(samples, (*samples.shape[:2], 3)).copy())
    return np.asarray(picture.resize((edge_px, edge_px), Image.Resampling.BOX))
