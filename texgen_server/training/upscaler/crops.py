# SPDX-License-Identifier: Apache-2.0
"""Pictures for the upscaler's card: crops of held-out scans, every method beside the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from texgen_server.networks.channels import CLEAN_SCALE
from texgen_server.training.material.pictures import save_webp
from texgen_server.training.upscaler.data import FullScans
from texgen_server.training.upscaler.evaluate import pair
from texgen_server.training.upscaler.methods import Method, Picture

CROP_PX = 176
MARGIN_PX = 32
"""Seen around a crop, in px of what is given."""
TITLE_PX = 16
SHOWN = (
    ("Tiles045", "basecolor"),
    ("marble_tiles", "basecolor"),
    ("bark_willow_02", "basecolor"),
    ("coast_sand_rocks_02", "basecolor"),
    ("DiamondPlate001", "normal"),
    ("Rock001", "height"),
)
"""Scans and maps, one a row."""

Bytes = NDArray[np.uint8]


def draw_crops(
    methods: dict[str, Method], scans: FullScans, held: list[int], scale: int, folder: Path
) -> None:
    """``crops_x<scale>.webp`` or ``cleaned.webp``: what came, each method, the real one; at most
    300 kB.
    """
    names = ["given", *(name for name in methods if name != "as it came"), "real"]
    rows = [_titles(names)]
    for asset, kind in SHOWN:
        index = next((i for i in held if scans.assets[i] == asset), None)
        if index is not None:
            rows.append(_row(methods, pair(scans, index, scale), kind, scale))
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
    """Every method sees the place and `MARGIN_PX` around it."""
    real, given = both
    corner = [edge * 3 // 10 for edge in given[kind].shape[:2]]
    small = {
        name: _window(picture, corner, CROP_PX // scale, MARGIN_PX)
        for name, picture in given.items()
    }
    inside = [MARGIN_PX * scale] * 2
    shown: list[Picture | None] = [
        np.kron(
            _window(given[kind], corner, CROP_PX // scale), np.ones((scale, scale, 1), np.float32)
        )
    ]
    for name, method in methods.items():
        if name != "as it came":
            made = method(small, scale).get(kind)
            shown.append(None if made is None else _window(made, inside, CROP_PX))
    shown.append(_window(real[kind], [start * scale for start in corner], CROP_PX))
    low, high = (
        (float(real[kind].min()), float(real[kind].max())) if kind == "height" else (0.0, 1.0)
    )
    return np.concatenate([_crop(picture, low, high) for picture in shown], 1)


def _window(picture: Picture, corner: list[int], size: int, margin: int = 0) -> Picture:
    """On the torus."""
    rows, columns = (
        (np.arange(size + 2 * margin) + start - margin) % edge
        for start, edge in zip(corner, picture.shape, strict=False)
    )
    piece: Picture = picture[rows[:, None], columns]
    return piece


def _crop(picture: Picture | None, low: float, high: float) -> Bytes:
    """In 8 bits; white where a method has none."""
    if picture is None:
        return np.full((CROP_PX, CROP_PX, 3), 255, np.uint8)
    piece = (picture - low) / (high - low)
    return np.broadcast_to(
        np.clip(piece * 255.0 + 0.5, 0, 255).astype(np.uint8), (CROP_PX, CROP_PX, 3)
    )


def _titles(names: list[str]) -> Bytes:
    strip = Image.new("RGB", (CROP_PX * len(names), TITLE_PX), "white")
    for column, name in enumerate(names):
        ImageDraw.Draw(strip).text((column * CROP_PX + 4, 2), name, "black")
    return np.asarray(strip)
