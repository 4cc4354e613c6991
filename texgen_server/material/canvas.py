# SPDX-License-Identifier: Apache-2.0
"""Places of pixels: a canvas of cells that may wrap around, windows of it in cells, rectangles in
pixels, and the tiles that large windows are computed in.

A window is computed on a torus of its own. What its own wrap-around touches is the *halo*: as wide
as the network's receptive field, computed and thrown away, so a tile equals the same part of the
whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

COARSE_PX = 256
"""Pixels per tile of the coarse pass."""
GUIDED_ABOVE_PX = 320
"""Pixels per tile above which there is a coarse pass."""


@dataclass(frozen=True)
class Canvas:
    """The plane that a recipe fills."""

    period: tuple[int, int] | None
    """Cells (down, right) after which noise and layout repeat; None: an endless field."""
    tiles: tuple[float, float]
    """Tiles of the material in one period (whole numbers), or in one cell of an endless field."""
    tile_px: float
    """Pixels per tile that the network gets as its density."""

    def wrapped(self, rows: Indices, columns: Indices, scale: int) -> tuple[Indices, Indices]:
        """Bring places on a grid of ``scale`` samples a cell into the first period."""
        if self.period is None:
            return rows, columns
        return rows % (self.period[0] * scale), columns % (self.period[1] * scale)

    def step_tiles(self, scale: int) -> tuple[float, float]:
        """Return the distance of samples in tiles as (down, right), on a grid of ``scale`` samples
        a cell.
        """
        down, right = self.period or (1, 1)
        return self.tiles[0] / (down * scale), self.tiles[1] / (right * scale)


@dataclass(frozen=True)
class Rectangle:
    """A part of a field in pixels; its upper left corner may lie anywhere."""

    x_px: int
    y_px: int
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Window:
    """A part of a canvas in cells; its corner may lie anywhere."""

    top: int
    left: int
    rows: int
    columns: int

    def places(self, scale: int) -> tuple[Indices, Indices]:
        """Return rows and columns of its samples on a grid of ``scale`` samples a cell."""
        down = np.arange(self.top * scale, (self.top + self.rows) * scale, dtype=np.int64)
        right = np.arange(self.left * scale, (self.left + self.columns) * scale, dtype=np.int64)
        return down, right

    def grown(self, cells: int) -> Window:
        """Return the window with a border of ``cells`` on all sides."""
        return Window(
            self.top - cells, self.left - cells, self.rows + 2 * cells, self.columns + 2 * cells
        )

    def tiles(self, edge: int) -> Iterator[Window]:
        """Yield windows of at most ``edge`` x ``edge`` cells, row by row, of about equal size."""
        down, right = math.ceil(self.rows / edge), math.ceil(self.columns / edge)
        for i in range(down):
            top, bottom = self.rows * i // down, self.rows * (i + 1) // down
            for j in range(right):
                left, end = self.columns * j // right, self.columns * (j + 1) // right
                yield Window(self.top + top, self.left + left, bottom - top, end - left)


def is_whole_torus(canvas: Canvas, window: Window) -> bool:
    """Return True for a window that is the whole torus, whose own wrap-around is the right one."""
    return canvas.period == (window.rows, window.columns)


def coarse_canvas(canvas: Canvas, cell_px: int) -> Canvas | None:
    """Return the canvas of the coarse pass, the same plane in fewer cells; None where there is no
    coarse pass.
    """
    if canvas.tile_px <= GUIDED_ABOVE_PX:
        return None
    if canvas.period is None:
        return Canvas(None, (cell_px / COARSE_PX, cell_px / COARSE_PX), float(COARSE_PX))
    down, right = (max(1, round(cells * COARSE_PX / canvas.tile_px)) for cells in canvas.period)
    tile_px = cell_px * math.sqrt(down / canvas.tiles[0] * right / canvas.tiles[1])
    return Canvas((down, right), canvas.tiles, tile_px)


def halo_cells(levels: int, cell_px: int) -> int:
    """Return the number of cells beyond a window that its pixels depend on: two 3x3 convolutions
    and one bilinear upsampling a level, stem, head and its 5x5 mean.

    Steps in px: level i lies on a grid of ``cell_px / 2**i``; the head's convolution on that of the
    finest level.
    """
    steps: list[float] = [cell_px / 2.0**i for i in range(levels)]
    reach = 3.0 * steps[-1] + steps[0]  # head and mean, stem
    reach += sum(2.0 * step for step in steps)  # convolutions
    reach += sum(steps[:-1])  # upsampling looks one coarse sample aside
    return math.ceil(reach / cell_px)
