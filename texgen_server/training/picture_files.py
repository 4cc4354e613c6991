# SPDX-License-Identifier: Apache-2.0
"""Writes pictures of model cards, each within a limit of bytes."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

MAX_BYTES = 300_000
QUALITIES = (85, 75, 65, 55, 45, 35)
"""Qualities of WebP that are tried, best first."""
SHRINK = 0.9
"""Factor of the edges of a PNG that is too large."""


def save_webp(image: Image.Image, path: Path) -> None:
    """Write WebP at the best quality that stays within `MAX_BYTES`."""
    for quality in QUALITIES:
        image.save(path, quality=quality, method=6)
        if path.stat().st_size <= MAX_BYTES:
            return


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG with a palette of 256 colours, shrunk until it stays within `MAX_BYTES`."""
    while True:
        image.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
        if path.stat().st_size <= MAX_BYTES:
            return
        size = int(image.width * SHRINK), int(image.height * SHRINK)
        image = image.resize(size, Image.Resampling.LANCZOS)
