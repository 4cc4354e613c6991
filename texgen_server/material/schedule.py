# SPDX-License-Identifier: Apache-2.0
"""The schedule of a plan: which windows of which passes the network computes.

Worked out once at the start of a job; synthesis follows it, and the progress bar counts it.
"""

from __future__ import annotations

from dataclasses import dataclass

from texgen_server.material.canvas import Canvas, Rectangle, Window, halo_cells, is_whole_torus
from texgen_server.material.coarse_pass import coarse_plan, coarse_window
from texgen_server.material.plan import NetworkShape, Plan

MAX_EDGE_CELLS = 56
"""Longest edge of a window that the network computes at once, halo not counted: 1792 px, 2240 px
with it, about 3.5 GB in bf16.
"""


@dataclass(frozen=True)
class Pass:
    """A pass of the network over a window of a plan."""

    plan: Plan
    window: Window
    pieces: tuple[Window, ...]
    """The window, cut into the windows that the network computes at once."""
    coarse: Pass | None
    """The pass whose maps guide this one; None where none is needed."""

    @property
    def piece_count(self) -> int:
        """Number of pieces, those of the coarse pass included."""
        return len(self.pieces) + (self.coarse.piece_count if self.coarse else 0)


@dataclass(frozen=True)
class Crop:
    """The wanted part of the computed maps, in px."""

    top: int
    left: int
    rows: int
    columns: int


@dataclass(frozen=True)
class Schedule:
    """Passes of the network for a rectangle of a plan."""

    base: Pass
    relief: Pass | None
    """The pass that height and occlusion come from, where it is another one."""
    crop: Crop

    @property
    def plan(self) -> Plan:
        """The plan of the result."""
        return self.base.plan

    @property
    def window(self) -> Window:
        """Cells of the result, before the crop."""
        return self.base.window

    @property
    def piece_count(self) -> int:
        """Number of pieces of all passes."""
        return self.base.piece_count + (self.relief.piece_count if self.relief else 0)


def make_schedule(
    plan: Plan,
    shape: NetworkShape,
    rectangle: Rectangle | None = None,
    max_edge_cells: int = MAX_EDGE_CELLS,
) -> Schedule:
    """Make the schedule of a rectangle of a plan, by default of the whole torus."""
    window, crop = _covering_window(plan.canvas, shape.cell_px, rectangle)
    return Schedule(
        make_pass(plan, shape, window, max_edge_cells),
        make_pass(plan.relief, shape, window, max_edge_cells) if plan.relief else None,
        crop,
    )


def make_pass(
    plan: Plan, shape: NetworkShape, window: Window, max_edge_cells: int = MAX_EDGE_CELLS
) -> Pass:
    """Cut a window into pieces, and work out the coarse pass below it."""
    halo = halo_cells(shape.levels, shape.cell_px)
    coarse = coarse_plan(plan, shape.cell_px)
    below = None
    if coarse is not None:
        guiding = _guiding_window(plan.canvas, coarse.canvas, window, halo)
        pieces = _pieces(coarse.canvas, guiding, max_edge_cells, halo)
        below = Pass(coarse, guiding, pieces, None)
    return Pass(plan, window, _pieces(plan.canvas, window, max_edge_cells, halo), below)


def torus_window(canvas: Canvas) -> Window:
    """Return the window of the whole torus."""
    assert canvas.period is not None
    return Window(0, 0, *canvas.period)


def _covering_window(
    canvas: Canvas, cell_px: int, rectangle: Rectangle | None
) -> tuple[Window, Crop]:
    """Return the cells to compute and the part of them that is wanted.

    A part of a field is computed with one px to spare on each side, which its normals look at.
    """
    if rectangle is None:
        window = torus_window(canvas)
        return window, Crop(0, 0, window.rows * cell_px, window.columns * cell_px)
    r = rectangle
    top, left = (r.y_px - 1) // cell_px, (r.x_px - 1) // cell_px
    bottom, right = (
        -(-(r.y_px + r.height_px + 1) // cell_px),
        -(-(r.x_px + r.width_px + 1) // cell_px),
    )
    crop = Crop(r.y_px - top * cell_px, r.x_px - left * cell_px, r.height_px, r.width_px)
    return Window(top, left, bottom - top, right - left), crop


def _guiding_window(canvas: Canvas, coarse: Canvas, window: Window, halo: int) -> Window:
    """Return the window of the coarse pass that guides a window of the fine one and its halo."""
    if is_whole_torus(canvas, window):
        return torus_window(coarse)
    return coarse_window(canvas, coarse, window.grown(halo))


def _pieces(canvas: Canvas, window: Window, max_edge_cells: int, halo: int) -> tuple[Window, ...]:
    """Return the window itself where it is a torus that fits, else its tiles."""
    fits = window.rows * window.columns <= (max_edge_cells + 2 * halo) ** 2
    if fits and is_whole_torus(canvas, window):
        return (window,)
    return tuple(window.tiles(max_edge_cells))
