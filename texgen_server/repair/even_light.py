# SPDX-License-Identifier: Apache-2.0
"""Removes a slow drift of light from maps, as a lamp at one side leaves it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from texgen.maps import MapKind, Pixels, from_unit, to_unit

CHANCE = 0.1
"""Share of a picture's variance that a slow drift has by chance: below it the light counts as even.
"""
LIT = (MapKind.BASECOLOR, MapKind.HEIGHT)
"""Maps that a slow drift is removed from."""


def even_light(maps: Mapping[MapKind, Pixels]) -> dict[MapKind, Pixels]:
    """Remove a slow drift from one side to the other from colour and height; other maps stay as
    they are.
    """
    return {k: _even(p) if k in LIT else p for k, p in maps.items()}


def _even(pixels: Pixels) -> Pixels:
    """Remove a second-degree surface where it explains more than `CHANCE` of the picture."""
    unit = to_unit(pixels)
    grey = unit[..., :3].mean(2)
    y, x = (np.linspace(-1.0, 1.0, n, dtype=np.float32) for n in grey.shape)
    rows, columns = (np.stack([np.ones_like(t), t, t * t - np.float32(1.0 / 3.0)]) for t in (y, x))
    powers = [(i, j) for i in range(3) for j in range(3) if 0 < i + j <= 2]
    surface = np.zeros_like(grey)
    for i, j in powers:
        basis = np.outer(rows[i], columns[j])
        surface += basis * (float((grey * basis).sum()) / float((basis * basis).sum()))
    share = float(surface.var() / max(1e-9, float(grey.var())))
    if share < CHANCE:
        return pixels
    unit[..., :3] -= surface[..., None]
    return from_unit(unit, pixels.dtype)
