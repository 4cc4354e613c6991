# SPDX-License-Identifier: Apache-2.0
"""What a candidate costs beyond its match: joins through parts, combs, and a second copy nearby."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout.analysis import AnalysedLevel
from texgen_server.layout.weights import Weights

Integers = NDArray[np.int32]
Places = NDArray[np.intp]

WIDE_RING = tuple((a, b) for a in range(-2, 3) for b in range(-2, 3) if (a, b) != (0, 0))
"""Neighbours within two steps."""
SPAN_RINGS = {
    "": tuple((a, b) for a, b in WIDE_RING if max(abs(a), abs(b)) == 2),
    "x": tuple((a, b) for a, b in WIDE_RING if abs(a) == 2),
    "y": tuple((a, b) for a, b in WIDE_RING if abs(b) == 2),
}
"""By the grain: where the same offset two steps away counts as a patch that reaches too far."""


def join_cost(
    energy: Integers,
    candidates: tuple[Integers, Integers, Places],
    around: tuple[Integers, Integers, Places],
    at: AnalysedLevel,
    shape: tuple[int, int],
    weights: Weights,
) -> Integers:
    """Weigh the match (k, m) of candidates by where their joins fall, and add what joins cost; returns the sum.

    Candidates and neighbours are given as (offset down, offset right, place), (k, m) and (8, m). A join along a joint is the best there is: a mortar
    line that cuts a stone short looks like one that was laid so. It costs nothing, and mismatch across it counts a quarter. A join through the inside
    of a part costs most. A step of a few cells, which doubles or loses a strip, costs more.
    """
    y, x, offered = candidates
    rows, columns = shape
    breaks, cuts, combs = np.zeros(y.shape, np.int32), np.zeros(y.shape, np.int32), np.zeros(y.shape, np.int32)
    cut = None if at.cut is None else at.cut[offered]
    for n_y, n_x, n_place in zip(*around, strict=True):
        apart_y, apart_x = np.abs(y - n_y), np.abs(x - n_x)
        other = (apart_y | apart_x) != 0
        breaks += other
        if cut is not None and at.cut is not None:
            cuts += np.minimum(cut, at.cut[n_place]) * other
        near_y = np.minimum(apart_y, rows - apart_y) <= weights.comb_cells
        near_x = np.minimum(apart_x, columns - apart_x) <= weights.comb_cells
        combs += other & near_y & near_x
    unit = at.level.mean_energy
    cost = energy + combs * (weights.comb * unit >> 8)
    if at.cut is None:
        return cost + breaks * (weights.plain_join * unit >> 8)
    share = np.where(breaks > 0, weights.floor + (256 - weights.floor) * cuts // (255 * np.maximum(breaks, 1)), 256)
    weighed: Integers = cost - (energy * (256 - share) >> 8) + cuts * (weights.join * unit >> 8) // 255
    return weighed


def repeat_cost(
    candidates: tuple[Integers, Integers, Places],
    wide: tuple[Integers, Integers, Places],
    at: AnalysedLevel,
    shape: tuple[int, int],
    weights: Weights,
    strength: int,
    grain: str,
) -> Integers:
    """Cost (k, m) of candidates that show a place which one of the ``wide`` neighbours (of `WIDE_RING`) shows too.

    What continues the neighbour is no repeat. Rare places cost more: they are what the eye finds again. Beside that, each of the neighbours
    two steps away (not along the grain) that has the same offset costs, times ``strength`` in 1/256: it bounds how far a patch reaches.
    """
    y, x, offered = candidates
    counted = SPAN_RINGS[grain]
    copies, spans = np.zeros(y.shape, np.int32), np.zeros(y.shape, np.int32)
    rows, columns = shape
    own_y, own_x = np.divmod(offered.astype(np.int32), columns)
    for n_y, n_x, place, (a, b) in zip(*wide, WIDE_RING, strict=True):
        other_y, other_x = np.divmod(place.astype(np.int32), columns)
        apart_y, apart_x = np.abs(own_y - other_y), np.abs(own_x - other_x)
        same = (np.minimum(apart_y, rows - apart_y) < at.level.spacing) & (np.minimum(apart_x, columns - apart_x) < at.level.spacing)
        other = (y != n_y) | (x != n_x)
        copies += same & other
        if (a, b) in counted:
            spans += ~other
    unit = at.level.mean_energy * 16 // len(counted)
    return copies * (at.rarity[offered] * (weights.repeat * at.level.mean_energy >> 8) >> 8) + spans * (
        weights.span * strength * unit >> 16
    )
