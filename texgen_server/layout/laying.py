# SPDX-License-Identifier: Apache-2.0
"""Computes index maps: for each cell of a torus, or of a window of an endless field, the cell of
the exemplar that is shown there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout.analysis import AnalysedLevel, Analysis
from texgen_server.layout.grids import PAD, Grid, torus_grid, window_grids
from texgen_server.layout.options import LayoutOptions
from texgen_server.layout.rules import fitting_size
from texgen_server.layout.synthesis import LevelWork, State
from texgen_server.layout.weights import STANDARD, Weights

Integers = NDArray[np.int32]


def lay_torus(
    analysis: Analysis, size: tuple[int, int], options: LayoutOptions, weights: Weights = STANDARD
) -> Integers:
    """Lay a torus of ``size`` (rows, columns) cells; returns (rows, columns, 2) places (down,
    right) in the exemplar.

    Raises ValueError when a torus of this size cannot close; `rules.nearest_sizes` lists those that
    can.
    """
    if not fitting_size(analysis.cells.rule, analysis.cells.shape, size):
        raise ValueError(
            f"a torus of {size[0]} x {size[1]} cells does not close in an exemplar of "
            f"{analysis.cells.shape}"
        )
    if options.novelty_steps == 0:
        return _tiles(analysis, np.arange(size[0]), np.arange(size[1]))
    largest = max(2, min(size) // 2)
    levels = [at for at in analysis.levels if at.level.spacing <= largest]
    grids = [torus_grid(size, at.level.spacing) for at in levels]
    return _lay(analysis, levels, grids, options, weights)


def lay_window(
    analysis: Analysis,
    corner: tuple[int, int],
    size: tuple[int, int],
    options: LayoutOptions,
    weights: Weights = STANDARD,
) -> Integers:
    """Lay a window of the endless field: ``corner`` (row, column), also negative, and ``size`` in
    cells.

    Returns (rows, columns, 2) places in the exemplar: the crop of what any larger window gives.
    """
    if options.novelty_steps == 0:
        return _tiles(
            analysis,
            np.arange(corner[0], corner[0] + size[0]),
            np.arange(corner[1], corner[1] + size[1]),
        )
    levels = list(analysis.levels)
    top = levels[0].level.spacing
    grids = window_grids(
        corner, size, [(at.level.spacing, weights.halo(at.level.spacing, top)) for at in levels]
    )
    placed = _lay(analysis, levels, grids, options, weights)
    down, right = weights.halo(1, top)
    return placed[down : down + size[0], right : right + size[1]]


def _tiles(analysis: Analysis, down: NDArray[np.int64], right: NDArray[np.int64]) -> Integers:
    """Repeat the exemplar as it is."""
    rows, columns = analysis.cells.shape
    return np.stack(
        np.broadcast_arrays((down % rows)[:, None], (right % columns)[None]), -1
    ).astype(np.int32)


def _lay(
    analysis: Analysis,
    levels: list[AnalysedLevel],
    grids: list[Grid],
    options: LayoutOptions,
    weights: Weights,
) -> Integers:
    state: State | None = None
    before: Grid | None = None
    for at, grid in zip(levels, grids, strict=True):
        state = LevelWork(analysis, at, grid, options, weights).run(state, before)
        before = grid
    assert state is not None
    inner = state.place[PAD:-PAD, PAD:-PAD].astype(np.int32)
    return np.stack(np.divmod(inner, np.int32(analysis.cells.shape[1])), -1)
