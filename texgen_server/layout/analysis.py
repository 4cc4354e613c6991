# SPDX-License-Identifier: Apache-2.0
"""Analyses an exemplar at its first use: levels, look-alikes, rarity.

The server caches the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout.appearance import Level, blur, make_levels
from texgen_server.layout.exemplar import ExemplarCells
from texgen_server.layout.lookalikes import LookAlikes, Search, find_lookalikes
from texgen_server.layout.rules import allowed_offsets

Integers = NDArray[np.int32]

BARRED = 1 << 28
"""Cost of a forbidden place."""
EDGE_CELLS = 2


@dataclass(frozen=True)
class AnalysedLevel:
    """A level of n cells (row-major) with the tables that the synthesis reads."""

    level: Level
    alike: LookAlikes
    cut: Integers | None
    """(n,) visibility of a join at each cell, 0 to 255."""
    barred: Integers | None
    """(n,) `BARRED` at the edge of an exemplar that does not wrap, else 0; None if no place is
    forbidden.
    """
    unit: int
    """Mean energy of the level, the unit of all costs; bounded, so that sums of costs fit 32 bits.
    """
    rarity: Integers
    """(n,) 256 for a place as common as most, up to 1024 for one that nothing resembles."""


@dataclass(frozen=True)
class Analysis:
    """An exemplar, ready to be re-laid."""

    cells: ExemplarCells
    offsets: Integers
    """(g, 2) allowed offsets."""
    levels: tuple[AnalysedLevel, ...]
    """Coarse to fine."""
    grain: str
    """"x" if fibres or canes run to the right, "y" if they run down, "" for neither: patches may be
    long along the grain.
    """


def analyse(cells: ExemplarCells) -> Analysis:
    """Find matching vectors and look-alikes of an exemplar. The same on every machine."""
    offsets = allowed_offsets(cells.rule, cells.shape)
    search = Search.prepare(offsets, cells.shape)
    levels = [_analysed(cells, level, search) for level in make_levels(cells)]
    return Analysis(cells, offsets, tuple(levels), _grain(cells))


def _grain(cells: ExemplarCells) -> str:
    """Compare how much the picture changes from cell to cell, down and to the right."""
    latents = cells.latents.astype(np.int64)
    down, right = (int(((np.roll(latents, 1, axis) - latents) ** 2).sum()) for axis in (0, 1))
    if cells.rule.group is not None or 2 * max(down, right) < 3 * min(down, right) or down == right:
        return ""
    return "x" if down > right else "y"


def _analysed(cells: ExemplarCells, level: Level, search: Search) -> AnalysedLevel:
    alike = find_lookalikes(level, search)
    return AnalysedLevel(
        level,
        alike,
        _cuts(cells, level.spacing),
        _edge(cells),
        min(level.mean_energy, 1 << 20),
        _rarity(alike.distance),
    )


def _edge(cells: ExemplarCells) -> Integers | None:
    if cells.wraps:
        return None
    barred = np.full(cells.shape, BARRED, np.int32)
    barred[EDGE_CELLS:-EDGE_CELLS, EDGE_CELLS:-EDGE_CELLS] = 0
    return barred.ravel()


def _cuts(cells: ExemplarCells, spacing: int) -> Integers | None:
    if cells.cut is None:
        return None
    return blur(cells.cut.astype(np.int32), spacing).ravel()


def _rarity(distance: Integers) -> Integers:
    """Compare each cell's distance to its nearest look-alike with the median."""
    middle = max(1, int(np.sort(distance)[len(distance) // 2]))
    return np.clip(distance.astype(np.int64) * 256 // middle, 256, 1024).astype(np.int32)
