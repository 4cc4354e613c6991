# SPDX-License-Identifier: Apache-2.0
"""Detects seams: whether a picture tiles."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from texgen.maps import MapKind, Pixels, to_unit

VISIBLE = 3.0
"""Least `_jump` of a seam that shows: of 64 tileable scans (lossy files, both axes) 8 % count as
open, of crops of them 66 %.
"""
JUDGED = (MapKind.BASECOLOR, MapKind.NORMAL)
"""Maps in which a seam is looked for, where there are any of them."""
MIN_TILING_PX = 16
"""Shortest edge in which a seam can be judged."""


def seam_axes(maps: Mapping[MapKind, Pixels]) -> tuple[bool, bool]:
    """Return two flags: a seam shows between the upper and lower borders, and between the left and
    right ones, in any map.
    """
    return _seam_shows(maps, 0), _seam_shows(maps, 1)


def _seam_shows(maps: Mapping[MapKind, Pixels], axis: int) -> bool:
    judged = [p for k, p in maps.items() if k in JUDGED] or list(maps.values())
    return any(_jump(np.moveaxis(pixels, axis, 0)) > VISIBLE for pixels in judged)


def _jump(rows: Pixels) -> float:
    """Measure by how much the gradient between last and first row stands out from those beside it,
    in units of the excess of nearly all other rows.
    """
    if len(rows) < MIN_TILING_PX:
        return 0.0
    gradients = np.array(
        [np.abs(to_unit(rows[i]) - to_unit(rows[i - 1])).mean() for i in range(len(rows))]
    )
    excess = gradients - (np.roll(gradients, 1) + np.roll(gradients, -1)) * 0.5
    return float(excess[0] / max(float(np.quantile(excess[2:-1], 0.995)), 1e-4))
