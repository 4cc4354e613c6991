# SPDX-License-Identifier: Apache-2.0
"""The coarse pass that guides a fine one: its window, and its maps read at the places of the fine
grid. Numpy only.

A network sees nine cells of 32 px far. At 256 px per tile that is the whole tile, so the forms of a
material are made at that density; above it the same network runs once more with those maps as its
*guide* and adds what is finer. A texture so keeps its forms at every size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from texgen_server.material.canvas import Canvas, Window, coarse_canvas
from texgen_server.material.plan import Array, Plan


def coarse_plan(plan: Plan, cell_px: int) -> Plan | None:
    """Return the plan of the coarse pass; None where none is needed."""
    canvas = coarse_canvas(plan.canvas, cell_px)
    if canvas is None:
        return None
    mask = plan.mask
    if isinstance(mask, np.ndarray):
        assert canvas.period is not None
        rows, columns = (
            (np.arange(n * cell_px) + 0.5) * (edge / (n * cell_px))
            for n, edge in zip(canvas.period, mask.shape, strict=True)
        )
        mask = mask[rows.astype(np.int64)[:, None], columns.astype(np.int64)[None]]
    return replace(plan, canvas=canvas, mask=mask, relief=None)


@dataclass(frozen=True)
class CoarseMaps:
    """Maps of the coarse pass over a window of its canvas."""

    maps: Array  # (7, H, W) in [0, 1]
    window: Window
    canvas: Canvas

    def at(self, canvas: Canvas, window: Window, scale: int) -> Array:
        """Read (7, rows, columns) of a window of the fine canvas, ``scale`` samples to a cell,
        bilinearly.
        """
        return sample_torus(
            self.maps, *(self._places(canvas, window, scale, axis) for axis in (0, 1))
        )

    def _places(self, canvas: Canvas, window: Window, scale: int, axis: int) -> NDArray[np.float64]:
        """Return coordinates of samples in px of the coarse maps."""
        ratio = canvas.step_tiles(1)[axis] / self.canvas.step_tiles(1)[axis]
        first = (self.window.top, self.window.left)[axis]
        cell_px = self.maps.shape[1] // self.window.rows
        cells = (window.places(scale)[axis].astype(np.float64) + 0.5) * (ratio / scale) - first
        result: NDArray[np.float64] = cells * cell_px - 0.5
        return result


def coarse_window(canvas: Canvas, coarse: Canvas, window: Window) -> Window:
    """Return the cells of the coarse canvas that a window of the fine one is read from, with one
    cell to spare on each side.
    """
    ends = []
    for axis, (first, count) in enumerate(
        ((window.top, window.rows), (window.left, window.columns))
    ):
        ratio = canvas.step_tiles(1)[axis] / coarse.step_tiles(1)[axis]
        ends.append((math.floor(first * ratio) - 1, math.ceil((first + count) * ratio) + 1))
    (top, bottom), (left, right) = ends
    return Window(top, left, bottom - top, right - left)


def sample_torus(maps: Array, down: NDArray[np.float64], right: NDArray[np.float64]) -> Array:
    """Read (C, H, W) between its pixels at (rows,), (columns,) px, bilinearly, on the torus: -> (C,
    rows, columns).
    """
    for axis, places in ((1, down), (2, right)):
        low = np.floor(places)
        share = (places - low).astype(np.float32)
        first = low.astype(np.int64) % maps.shape[axis]
        near = np.take(maps, first, axis)
        if share.any():
            weight = share[:, None] if axis == 1 else share
            near = near + (np.take(maps, (first + 1) % maps.shape[axis], axis) - near) * weight
        maps = near
    return np.ascontiguousarray(maps)


def guide_input(maps: Array) -> Array:
    """Turn maps (7, h, w) in [0, 1] into the guide (8, h, w) that the network takes
    (`channels.GUIDE_CHANNELS`).
    """
    guide = np.ones((maps.shape[0] + 1, *maps.shape[1:]), np.float32)
    guide[:-1] = (maps - np.float32(0.5)) * np.float32(4.0)
    return guide
