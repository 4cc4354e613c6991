# SPDX-License-Identifier: Apache-2.0
"""Plan -> maps: runs the network window by window, whole where it fits, in halo tiles where it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from texgen.maps import MapKind, Pixels
from texgen_server.backends.base import MaterialBackend
from texgen_server.canvas import Window, halo_cells, whole
from texgen_server.fields import make_fields, pixel_shares
from texgen_server.finish import crop_maps, empty_maps, make_finish, store_normal, store_window
from texgen_server.sampling import Array, NetworkShape, Plan

MAX_EDGE_CELLS = 56
"""Longest edge of a window that the network computes at once, halo not counted: 1792 px, 2240 px with it, about 3.5 GB in bf16."""


@dataclass(frozen=True)
class Rectangle:
    """Pixels of a field: the upper left corner may lie anywhere."""

    x_px: int
    y_px: int
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Synthesis:
    """How to run a plan."""

    backend: MaterialBackend
    shape: NetworkShape
    max_edge_cells: int = MAX_EDGE_CELLS
    check: Callable[[], None] = lambda: None
    """Called between steps; raises to stop the work."""
    on_progress: Callable[[float], None] = lambda fraction: None

    def maps(self, plan: Plan, rectangle: Rectangle | None = None) -> tuple[dict[MapKind, Pixels], float]:
        """All maps of a rectangle (by default the whole torus) and the height's range in tiles."""
        window, (top, left, rows, columns) = self._window(plan, rectangle)
        styles, reliefs = self._styles(plan)
        finish = make_finish(plan, reliefs)
        relief = self._styles(plan.relief) if plan.relief else None
        if plan.relief and relief:
            finish = make_finish(plan.relief, relief[1])
        cell, halo = self.shape.cell_px, halo_cells(self.shape.levels, self.shape.cell_px)
        maps = empty_maps(window.rows * cell, window.columns * cell)
        fits = window.rows * window.columns <= (self.max_edge_cells + 2 * halo) ** 2
        pieces = [window] if fits and whole(plan.canvas, window) else list(window.tiles(self.max_edge_cells))
        for number, piece in enumerate(pieces):
            exact = whole(plan.canvas, piece)
            raw = self._raw(plan, styles, piece, 0 if exact else halo)
            if plan.relief and relief:
                raw[[3, 6]] = self._raw(plan.relief, relief[0], piece, 0 if exact else halo)[[3, 6]]
            shares = pixel_shares(plan, self.shape, piece) if plan.mask is not None else None
            store_window(maps, raw, (piece.top - window.top) * cell, (piece.left - window.left) * cell, finish, shares)
            self.on_progress((number + 1) / len(pieces))
        store_normal(maps, finish.relief_tiles * plan.canvas.tile_px)
        return crop_maps(maps, top, left, rows, columns), finish.relief_tiles

    def raw(self, plan: Plan) -> tuple[Array, float]:
        """The whole torus as the network gives it: (7, H, W) in [0, 1], and the height's range in tiles, without any finish."""
        assert plan.canvas.period is not None
        styles, reliefs = self._styles(plan)
        return self._raw(plan, styles, Window(0, 0, *plan.canvas.period), 0), float(reliefs.max())

    def window(self, plan: Plan, window: Window) -> Array:
        """(7, H, W) of a window that is computed on a torus of its own, without a halo."""
        return self._raw(plan, self._styles(plan)[0], window, 0)

    def _window(self, plan: Plan, rectangle: Rectangle | None) -> tuple[Window, tuple[int, int, int, int]]:
        """The cells to compute and, in px, which part of them is wanted.

        A part of a field is computed with a px to spare on each side, which its normals look at.
        """
        period, cell = plan.canvas.period, self.shape.cell_px
        if rectangle is None:
            assert period is not None
            return Window(0, 0, *period), (0, 0, period[0] * cell, period[1] * cell)
        r = rectangle
        top, left = (r.y_px - 1) // cell, (r.x_px - 1) // cell
        bottom, right = -(-(r.y_px + r.height_px + 1) // cell), -(-(r.x_px + r.width_px + 1) // cell)
        return Window(top, left, bottom - top, right - left), (r.y_px - top * cell, r.x_px - left * cell, r.height_px, r.width_px)

    def _styles(self, plan: Plan) -> tuple[Array, Array]:
        """The style the trunk takes, and the relief of each part in tiles.

        Without a mask (1, levels, style_dim), the sources mixed by their shares; with one (1, sources, style_dim).
        """
        codes = np.stack([s.code for s in plan.sources])
        density = np.full((len(codes), 1), np.log2(plan.canvas.tile_px) - 8.0, np.float32)
        styles, reliefs = self.backend.style(codes, density)
        styles = np.stack([style + s.shift for s, style in zip(plan.sources, styles, strict=True)])
        ranges = np.array([s.relief_tiles or relief for s, relief in zip(plan.sources, reliefs, strict=True)], np.float32)
        parts = np.zeros((2, 1 + max(s.part for s in plan.sources)), np.float32)
        for s, relief in zip(plan.sources, ranges, strict=True):
            parts[:, s.part] += np.float32(s.style_share.mean()) * np.array([relief, 1.0], np.float32)
        if plan.mask is not None:
            return styles[None], parts[0] / parts[1]
        shares = np.stack([s.style_share for s in plan.sources])  # (sources, levels)
        return np.einsum("kl,kd->ld", shares, styles)[None].astype(np.float32), parts[0] / parts[1]

    def _raw(self, plan: Plan, styles: Array, window: Window, halo: int) -> Array:
        """(7, H, W) of a window, computed with ``halo`` cells around it."""
        self.check()
        fields = make_fields(plan, self.shape, window.grown(halo))
        features = self.backend.features(styles, fields.start, fields.layouts, fields.noises, fields.shares)
        self.check()
        raw: Array = self.backend.head(features)[0]
        border = halo * self.shape.cell_px
        return raw[:, border:-border, border:-border] if border else raw
