# SPDX-License-Identifier: Apache-2.0
"""Plan -> maps: runs the network window by window, whole where it fits, in halo tiles where it does
not; coarse pass first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from texgen.maps import MapKind, Pixels
from texgen_server.backend import Backend
from texgen_server.material.canvas import Canvas, Window, halo_cells, whole
from texgen_server.material.coarse_pass import CoarseMaps, coarse_plan, coarse_window, guide_input
from texgen_server.material.network_inputs import NetworkInputs, build_inputs, pixel_shares
from texgen_server.material.plan import Array, NetworkShape, Plan
from texgen_server.material.postprocess import (
    crop_maps,
    empty_maps,
    make_postprocess,
    store_normal,
    store_window,
)
from texgen_server.material.previews import basecolor_preview
from texgen_server.material.raw_cache import RawMapCache, RawMaps, raw_key

MAX_EDGE_CELLS = 56
"""Longest edge of a window that the network computes at once, halo not counted: 1792 px, 2240 px
with it, about 3.5 GB in bf16.
"""


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

    backend: Backend
    shape: NetworkShape
    max_edge_cells: int = MAX_EDGE_CELLS
    check: Callable[[], None] = lambda: None
    """Called between steps; raises to stop the work."""
    on_progress: Callable[[float], None] = lambda fraction: None
    on_preview: Callable[[NDArray[np.uint8]], None] = lambda pixels: None
    """Called once, where there is a coarse pass, with its basecolor: (h, w, 3) sRGB."""
    recent: RawMapCache = field(default_factory=lambda: RawMapCache(0))

    def maps(
        self, plan: Plan, rectangle: Rectangle | None = None
    ) -> tuple[dict[MapKind, Pixels], float]:
        """All maps of a rectangle (by default the whole torus) and the height's range in tiles."""
        window, (top, left, rows, columns) = self._window(plan, rectangle)
        cell = self.shape.cell_px
        reliefs, drawn = self._drawn(plan, window)
        finish = make_postprocess(plan.relief or plan, reliefs)
        maps = empty_maps(window.rows * cell, window.columns * cell)
        for piece, raw in drawn:
            shares = pixel_shares(plan, self.shape, piece) if plan.mask is not None else None
            store_window(
                maps,
                raw,
                (piece.top - window.top) * cell,
                (piece.left - window.left) * cell,
                finish,
                shares,
            )
        store_normal(maps, finish.relief_tiles * plan.canvas.tile_px)
        return crop_maps(maps, top, left, rows, columns), finish.relief_tiles

    def _drawn(self, plan: Plan, window: Window) -> tuple[Array, Iterator[tuple[Window, Array]]]:
        """The relief of each part in tiles, and what the network makes of the window, piece by
        piece; kept where it is a single one.
        """
        name = raw_key(plan, window, self.backend.name)
        if known := self.recent.get(name):
            return known.reliefs, iter([(window, known.raw)])
        steps = _Steps(
            self._count(plan, window) + (self._count(plan.relief, window) if plan.relief else 0),
            self.on_progress,
        )
        network = self._network(plan, window, steps)
        relief = self._network(plan.relief, window, steps) if plan.relief else None
        reliefs = (relief or network).reliefs
        if network.base is not None and whole(plan.canvas, window) and plan.mask is None:
            self.on_preview(
                basecolor_preview(network.base.maps, make_postprocess(plan.relief or plan, reliefs))
            )

        def pieces() -> Iterator[tuple[Window, Array]]:
            todo = self._pieces(plan.canvas, window)
            for piece in todo:
                raw = self._raw(network, piece)
                if relief:
                    raw[[3, 6]] = self._raw(relief, piece)[[3, 6]]
                if len(todo) == 1:
                    self.recent.put(name, RawMaps(raw, reliefs))
                yield piece, raw
                steps.done()

        return reliefs, pieces()

    def raw(self, plan: Plan) -> tuple[Array, float]:
        """The whole torus as the network gives it:

        (7, H, W) in [0, 1], and the height's range in tiles, without any finish.
        """
        assert plan.canvas.period is not None
        torus = Window(0, 0, *plan.canvas.period)
        network = self._network(plan, torus, _Steps(1, lambda _: None))
        return self._assembled(network, torus, _Steps(1, lambda _: None)), float(
            network.reliefs.max()
        )

    def window(self, plan: Plan, window: Window) -> Array:
        """(7, H, W) of a window that is computed on a torus of its own, without a halo."""
        return self._computed(self._network(plan, window, _Steps(1, lambda _: None)), window)

    def part(self, plan: Plan, window: Window, halo: int | None = None) -> Array:
        """(7, H, W) of a window as part of its canvas, computed with ``halo`` cells around it (by
        default as many as it takes).
        """
        network = self._network(plan, window, _Steps(1, lambda _: None))
        return self._raw(network, window) if halo is None else self._cut(network, window, halo)

    def _network(self, plan: Plan, window: Window, steps: _Steps) -> _Network:
        """What `_raw` needs for the pieces of a window, the coarse pass under them included."""
        styles, reliefs = self._styles(plan)
        coarse = coarse_plan(plan, self.shape.cell_px)
        if coarse is None:
            return _Network(plan, styles, reliefs, None)
        under = self._under(plan, coarse, window)
        network = _Network(coarse, self._styles(coarse)[0], reliefs, None)
        return _Network(
            plan,
            styles,
            reliefs,
            CoarseMaps(self._assembled(network, under, steps), under, coarse.canvas),
        )

    def _under(self, plan: Plan, coarse: Plan, window: Window) -> Window:
        """The window of the coarse pass that guides a window of the fine one."""
        if whole(plan.canvas, window):
            assert coarse.canvas.period is not None
            return Window(0, 0, *coarse.canvas.period)
        return coarse_window(plan.canvas, coarse.canvas, window.grown(self._halo))

    def _assembled(self, network: _Network, window: Window, steps: _Steps) -> Array:
        """(7, H, W) of a window, piece by piece."""
        pieces, cell = self._pieces(network.plan.canvas, window), self.shape.cell_px
        if len(pieces) == 1:
            raw = self._raw(network, window)
            steps.done()
            return raw
        out = np.empty((7, window.rows * cell, window.columns * cell), np.float32)
        for piece in pieces:
            top, left = (piece.top - window.top) * cell, (piece.left - window.left) * cell
            out[:, top : top + piece.rows * cell, left : left + piece.columns * cell] = self._raw(
                network, piece
            )
            steps.done()
        return out

    @property
    def _halo(self) -> int:
        return halo_cells(self.shape.levels, self.shape.cell_px)

    def _pieces(self, canvas: Canvas, window: Window) -> list[Window]:
        """The window whole where it is a torus that fits, else in tiles."""
        fits = window.rows * window.columns <= (self.max_edge_cells + 2 * self._halo) ** 2
        return (
            [window] if fits and whole(canvas, window) else list(window.tiles(self.max_edge_cells))
        )

    def _count(self, plan: Plan, window: Window) -> int:
        """Pieces to compute, those of the coarse pass included."""
        coarse = coarse_plan(plan, self.shape.cell_px)
        below = len(self._pieces(coarse.canvas, self._under(plan, coarse, window))) if coarse else 0
        return len(self._pieces(plan.canvas, window)) + below

    def _window(
        self, plan: Plan, rectangle: Rectangle | None
    ) -> tuple[Window, tuple[int, int, int, int]]:
        """The cells to compute and, in px, which part of them is wanted.

        A part of a field is computed with a px to spare on each side, which its normals look at.
        """
        period, cell = plan.canvas.period, self.shape.cell_px
        if rectangle is None:
            assert period is not None
            return Window(0, 0, *period), (0, 0, period[0] * cell, period[1] * cell)
        r = rectangle
        top, left = (r.y_px - 1) // cell, (r.x_px - 1) // cell
        bottom, right = (
            -(-(r.y_px + r.height_px + 1) // cell),
            -(-(r.x_px + r.width_px + 1) // cell),
        )
        return Window(top, left, bottom - top, right - left), (
            r.y_px - top * cell,
            r.x_px - left * cell,
            r.height_px,
            r.width_px,
        )

    def _styles(self, plan: Plan) -> tuple[Array, Array]:
        """The style the trunk takes, and the relief of each part in tiles.

        Without a mask (1, levels, style_dim), the sources mixed by their shares; with one (1,
        sources, style_dim).
        """
        codes = np.stack([s.code for s in plan.sources])
        density = np.full((len(codes), 1), np.log2(plan.canvas.tile_px) - 8.0, np.float32)
        styles, reliefs = self.backend.run("mapping", [codes, density])
        styles = np.stack([style + s.shift for s, style in zip(plan.sources, styles, strict=True)])
        ranges = np.array(
            [s.relief_tiles or relief for s, relief in zip(plan.sources, reliefs, strict=True)],
            np.float32,
        )
        parts = np.zeros((2, 1 + max(s.part for s in plan.sources)), np.float32)
        for s, relief in zip(plan.sources, ranges, strict=True):
            parts[:, s.part] += np.float32(s.style_share.mean()) * np.array(
                [relief, 1.0], np.float32
            )
        if plan.mask is not None:
            return styles[None], parts[0] / parts[1]
        shares = np.stack([s.style_share for s in plan.sources])  # (sources, levels)
        return np.einsum("kl,kd->ld", shares, styles)[None].astype(np.float32), parts[0] / parts[1]

    def _raw(self, network: _Network, window: Window) -> Array:
        """(7, H, W) of a window, computed with a halo around it unless it is the whole torus."""
        if whole(network.plan.canvas, window):
            return self._computed(network, window)
        return self._cut(network, window, self._halo)

    def _cut(self, network: _Network, window: Window, halo: int) -> Array:
        border = halo * self.shape.cell_px
        return self._computed(network, window.grown(halo))[:, border:-border, border:-border]

    def _computed(self, network: _Network, window: Window) -> Array:
        self.check()
        guide = None
        if network.base is not None:
            guide = guide_input(
                network.base.at(network.plan.canvas, window, 2 ** (self.shape.levels - 1))
            )
        fields = build_inputs(network.plan, self.shape, window, guide)
        features = run_trunk(self.backend, network.styles, fields)
        self.check()
        return run_head(self.backend, features, fields)[0]  # type: ignore[no-any-return]


def run_trunk(backend: Backend, styles: Array, fields: NetworkInputs) -> list[Array]:
    """Style (B, levels, D), or where the fields have shares (B, sources, D) -> what `run_head`
    takes.
    """
    inputs = [styles, fields.start, fields.guide, *fields.layouts, *fields.noises, *fields.shares]
    return backend.run("painted_trunk" if fields.shares else "trunk", inputs, reuse_outputs=True)


def run_head(backend: Backend, features: list[Array], fields: NetworkInputs) -> Array:
    """The last convolution: -> (B, 7, H, W) in [0, 1]."""
    return (
        backend.run("guided_head", [features[0], fields.guide])[0]
        if fields.guided
        else backend.run("head", features)[0]
    )


@dataclass(frozen=True)
class _Network:
    """One pass of the network over a plan."""

    plan: Plan
    styles: Array
    reliefs: Array
    base: CoarseMaps | None


class _Steps:
    """Counts pieces for the progress."""

    def __init__(self, count: int, on_progress: Callable[[float], None]) -> None:
        self.count, self.finished, self.on_progress = count, 0, on_progress

    def done(self) -> None:
        self.finished += 1
        self.on_progress(min(1.0, self.finished / self.count))
