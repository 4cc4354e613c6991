# SPDX-License-Identifier: Apache-2.0
"""Borders of a picture: the pixels that lie beyond its edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen.maps import Border, Pixels

Indices = NDArray[np.int64]


def gather(
    pixels: Pixels | NDArray[np.float32], rows: Indices, columns: Indices, border: Border
) -> Pixels | NDArray[np.float32]:
    """Read (H, W, C) at rows and columns that may lie outside."""
    height, width = pixels.shape[:2]
    if border is Border.PANORAMA:
        over_pole = (rows < 0) | (rows >= height)
        inside: Pixels = pixels[_mirrored(rows, height)[:, None], (columns % width)[None]]
        inside[over_pole] = pixels[
            _mirrored(rows[over_pole], height)[:, None], ((columns + width // 2) % width)[None]
        ]
        return inside
    down = rows % height if border in (Border.WRAP, Border.WRAP_Y) else _mirrored(rows, height)
    right = columns % width if border in (Border.WRAP, Border.WRAP_X) else _mirrored(columns, width)
    return np.take(np.take(pixels, down, 0), right, 1)


def _mirrored(places: Indices, length: int) -> Indices:
    """Reflect places at the edges, as often as it takes; the edge's own pixel comes twice."""
    folded = places % (2 * length)
    return np.where(folded < length, folded, 2 * length - 1 - folded)
