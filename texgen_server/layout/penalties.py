# SPDX-License-Identifier: Apache-2.0
"""What a candidate costs beyond its match: joins through parts, combs, and a second copy nearby."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout.analysis import AnalysedLevel
from texgen_server.layout.weights import Weights

Integers = NDArray[np.int32]
Places = NDArray[np.intp]


def join_cost(
    y: Integers,
    x: Integers,
    around_y: Integers,
    around_x: Integers,
    at: AnalysedLevel,
    offered: Places,
    shape: tuple[int, int],
    weights: Weights,
) -> Integers:
    """Cost (k, m) of candidate offsets (k, m) beside neighbours (8, m) that they do not continue.

    A join costs by how much a cut through the candidate's place shows; a step of a few cells, which doubles or loses a strip, costs more.
    """
    cost = np.zeros(y.shape, np.int32)
    if not (weights.join or weights.comb):
        return cost
    rows, columns = shape
    breaks, combs = np.zeros(y.shape, np.int32), np.zeros(y.shape, np.int32)
    for n_y, n_x in zip(around_y, around_x, strict=True):
        apart_y, apart_x = np.abs(y - n_y), np.abs(x - n_x)
        other = (apart_y | apart_x) != 0
        breaks += other
        if weights.comb:
            near_y = np.minimum(apart_y, rows - apart_y) <= weights.comb_cells
            near_x = np.minimum(apart_x, columns - apart_x) <= weights.comb_cells
            combs += other & near_y & near_x
    unit = at.level.mean_energy
    cost += breaks * (at.cut[offered] * (weights.join * unit >> 8) >> 8)
    cost += combs * (weights.comb * unit >> 8)
    return cost


def repeat_cost(
    y: Integers,
    x: Integers,
    offered: Places,
    wide: list[tuple[Places, Integers, Integers]],
    at: AnalysedLevel,
    shape: tuple[int, int],
    weights: Weights,
) -> Integers:
    """Cost (k, m) of candidates that show a place which one of the ``wide`` neighbours (place, offset down, offset right) shows too.

    What continues the neighbour is no repeat. Rare places cost more: they are what the eye finds again.
    """
    cost = np.zeros(y.shape, np.int32)
    if not weights.repeat:
        return cost
    rows, columns = shape
    own_y, own_x = np.divmod(offered.astype(np.int32), columns)
    for place, n_y, n_x in wide:
        other_y, other_x = np.divmod(place.astype(np.int32), columns)
        apart_y, apart_x = np.abs(own_y - other_y), np.abs(own_x - other_x)
        same = (np.minimum(apart_y, rows - apart_y) < at.level.spacing) & (np.minimum(apart_x, columns - apart_x) < at.level.spacing)
        cost += same & ((y != n_y) | (x != n_x))
    return cost * (at.rarity[offered] * (weights.repeat * at.level.mean_energy >> 8) >> 8)
