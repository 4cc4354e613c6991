# SPDX-License-Identifier: Apache-2.0
"""Pictures for the upscaler's card: crops of held-out scans, all methods beside the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from texgen.maps import from_unit
from texgen_server.networks.channels import CLEAN_SCALE
from texgen_server.training.picture_files import save_webp
from texgen_server.training.upscaler.held_out import held_out_pair
from texgen_server.training.upscaler.methods import UNCHANGED, Method, Picture
from texgen_server.training.upscaler.scans import FullScans

CROP_PX = 176
MARGIN_PX = 32
"""Border that methods see around a crop, in px of the small maps."""
TITLE_PX = 16
SHOWN_MAPS = (
    ("Tiles045", "basecolor"),
    ("marble_tiles", "basecolor"),
    ("bark_willow_02", "basecolor"),
    ("coast_sand_rocks_02", "basecolor"),
    ("DiamondPlate001", "normal"),
    ("Rock001", "height"),
)
"""Scan and map of each row."""

Bytes = NDArray[np.uint8]


def draw_crops(
    methods: dict[str, Method], scans: FullScans, held: list[int], scale: int, folder: Path
) -> None:
    """Write ``crops_x<scale>.webp`` or ``cleaned.webp``, at most 300 kB: the small map, each
    method's, the real one.
    """
    names = ["given", *(name for name in methods if name != UNCHANGED), "real"]
    rows = [_titles(names)]
    for asset, kind in SHOWN_MAPS:
        index = next((i for i in held if scans.assets[i] == asset), None)
        if index is not None:
            rows.append(_row(methods, held_out_pair(scans, index, scale), kind, scale))
    folder.mkdir(parents=True, exist_ok=True)
    save_webp(
        Image.fromarray(np.concatenate(rows)),
        folder / ("cleaned.webp" if scale == CLEAN_SCALE else f"crops_x{scale}.webp"),
    )


def _row(
    methods: dict[str, Method],
    both: tuple[dict[str, Picture], dict[str, Picture]],
    kind: str,
    scale: int,
) -> Bytes:
    """Return one row; every method sees the crop and `MARGIN_PX` around it."""
    real, given = both
    corner = [edge * 3 // 10 for edge in given[kind].shape[:2]]
    small = {
        name: _cut(picture, corner, CROP_PX // scale, MARGIN_PX) for name, picture in given.items()
    }
    inside = [MARGIN_PX * scale] * 2
    panels: list[Picture | None] = [
        np.kron(_cut(given[kind], corner, CROP_PX // scale), np.ones((scale, scale, 1), np.float32))
    ]
    for name, method in methods.items():
        if name != UNCHANGED:
            made = method(small, scale).get(kind)
            panels.append(None if made is None else _cut(made, inside, CROP_PX))
    panels.append(_cut(real[kind], [start * scale for start in corner], CROP_PX))
    low, high = (
        (float(real[kind].min()), float(real[kind].max())) if kind == "height" else (0.0, 1.0)
    )
    return np.concatenate([_crop(picture, low, high) for picture in panels], 1)


def _cut(picture: Picture, corner: list[int], size: int, margin: int = 0) -> Picture:
    """Cut a square out of a picture on the torus, with a margin around it."""
    rows, columns = (
        (np.arange(size + 2 * margin) + start - margin) % edge
        for start, edge in zip(corner, picture.shape, strict=False)
    )
    piece: Picture = picture[rows[:, None], columns]
    return piece


def _crop(picture: Picture | None, low: float, high: float) -> Bytes:
    """Return a crop in 8 bits, stretched from [low, high]; white where a method makes none."""
    if picture is None:
        return np.full((CROP_PX, CROP_PX, 3), 255, np.uint8)
    piece = (picture - low) / (high - low)
    return np.broadcast_to(from_unit(piece, np.uint8), (CROP_PX, CROP_PX, 3))


def _titles(names: list[str]) -> Bytes:
    strip = Image.new("RGB", (CROP_PX * len(names), TITLE_PX), "white")
    for column, name in enumerate(names):
        ImageDraw.Draw(strip).text((column * CROP_PX + 4, 2), name, "black")
    return np.asarray(strip)
