# SPDX-License-Identifier: Apache-2.0
"""Schedule -> maps: runs the network piece by piece, the coarse pass first, and postprocesses each
piece where it lies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texgen.maps import MapKind, Pixels
from texgen_server.backend import Backend
from texgen_server.material.canvas import Rectangle, Window, halo_cells, is_whole_torus
from texgen_server.material.coarse_pass import CoarseMaps, guide_input
from texgen_server.material.network_inputs import NetworkInputs, build_inputs, pixel_shares
from texgen_server.material.plan import Array, NetworkShape, Plan
from texgen_server.material.postprocess import (
    Postprocess,
    crop_maps,
    empty_maps,
    make_postprocess,
    store_normal,
    store_window,
)
from texgen_server.material.previews import basecolor_preview
from texgen_server.material.raw_cache import RawMapCache, RawMaps, raw_key
from texgen_server.material.schedule import (
    MAX_EDGE_CELLS,
    Pass,
    Schedule,
    make_pass,
    make_schedule,
    torus_window,
)
from texgen_server.networks.channels import OUTPUT_CHANNELS, RELIEF_CHANNELS


@dataclass(frozen=True)
class Synthesis:
    """Runs plans on a backend."""

    backend: Backend
    shape: NetworkShape
    max_edge_cells: int = MAX_EDGE_CELLS
    check: Callable[[], None] = lambda: None
    """Called between steps; raises to stop the work."""
    on_progress: Callable[[float], None] = lambda fraction: None
    on_preview: Callable[[NDArray[np.uint8]], None] = lambda pixels: None
    """Called once, where there is a coarse pass, with its basecolor: (h, w, 3) sRGB."""
    raw_cache: RawMapCache = field(default_factory=lambda: RawMapCache(0))

    def maps(
        self, plan: Plan, rectangle: Rectangle | None = None
    ) -> tuple[dict[MapKind, Pixels], float]:
        """Return all maps of a rectangle (by default the whole torus), and the height's range in
        tiles.
        """
        schedule = make_schedule(plan, self.shape, rectangle, self.max_edge_cells)
        reliefs, raw_pieces = self._raw_pieces(schedule)
        postprocess = make_postprocess(plan.relief or plan, reliefs)
        window, cell = schedule.window, self.shape.cell_px
        maps = empty_maps(window.rows * cell, window.columns * cell)
        for piece, raw in raw_pieces:
            self._store(maps, schedule, piece, raw, postprocess)
        store_normal(maps, postprocess.relief_tiles * plan.canvas.tile_px)
        crop = schedule.crop
        wanted = crop_maps(maps, crop.top, crop.left, crop.rows, crop.columns)
        return wanted, postprocess.relief_tiles

    def raw(self, plan: Plan) -> tuple[Array, float]:
        """Return the whole torus as the network gives it, (7, H, W) in [0, 1], and the height's
        range in tiles, without postprocessing.
        """
        whole = make_pass(plan, self.shape, torus_window(plan.canvas), self.max_edge_cells)
        progress = _Progress(1, lambda _: None)
        network = self._guided_pass(whole, progress)
        return self._assembled(network, progress), float(network.reliefs.max())

    def window(self, plan: Plan, window: Window) -> Array:
        """Return (7, H, W) of a window that is computed on a torus of its own, without a halo."""
        return self._computed(self._unscheduled(plan, window), window)

    def part(self, plan: Plan, window: Window, halo: int | None = None) -> Array:
        """Return (7, H, W) of a window as part of its canvas, computed with ``halo`` cells around
        it (by default as many as its pixels depend on).
        """
        network = self._unscheduled(plan, window)
        return self._raw(network, window) if halo is None else self._cut(network, window, halo)

    def _store(
        self,
        maps: dict[MapKind, NDArray[Any]],
        schedule: Schedule,
        piece: Window,
        raw: Array,
        postprocess: Postprocess,
    ) -> None:
        """Postprocess a piece into the maps."""
        plan, window, cell = schedule.plan, schedule.window, self.shape.cell_px
        shares = pixel_shares(plan, self.shape, piece) if plan.mask is not None else None
        top, left = (piece.top - window.top) * cell, (piece.left - window.left) * cell
        store_window(maps, raw, top, left, postprocess, shares)

    def _raw_pieces(self, schedule: Schedule) -> tuple[Array, Iterator[tuple[Window, Array]]]:
        """Return the relief of each part in tiles, and the network's output piece by piece; a
        single piece is kept in the cache.
        """
        plan, window = schedule.plan, schedule.window
        key = raw_key(plan, window, self.backend.name)
        if known := self.raw_cache.get(key):
            return known.reliefs, iter([(window, known.raw)])
        progress = _Progress(schedule.piece_count, self.on_progress)
        network = self._guided_pass(schedule.base, progress)
        relief = self._guided_pass(schedule.relief, progress) if schedule.relief else None
        reliefs = (relief or network).reliefs
        if network.guide and is_whole_torus(plan.canvas, window) and plan.mask is None:
            postprocess = make_postprocess(plan.relief or plan, reliefs)
            self.on_preview(basecolor_preview(network.guide.maps, postprocess))

        def pieces() -> Iterator[tuple[Window, Array]]:
            for piece in schedule.base.pieces:
                raw = self._raw(network, piece)
                if relief:
                    raw[RELIEF_CHANNELS] = self._raw(relief, piece)[RELIEF_CHANNELS]
                if len(schedule.base.pieces) == 1:
                    self.raw_cache.put(key, RawMaps(raw, reliefs))
                yield piece, raw
                progress.piece_done()

        return reliefs, pieces()

    def _unscheduled(self, plan: Plan, window: Window) -> _NetworkPass:
        """Prepare a window of a plan outside of a job."""
        single = make_pass(plan, self.shape, window, self.max_edge_cells)
        return self._guided_pass(single, _Progress(1, lambda _: None))

    def _guided_pass(self, scheduled: Pass, progress: _Progress) -> _NetworkPass:
        """Compute the styles and the coarse maps that all pieces of a pass need."""
        styles, reliefs = self._styles(scheduled.plan)
        coarse = scheduled.coarse
        if coarse is None:
            return _NetworkPass(scheduled, styles, reliefs, None)
        unguided = _NetworkPass(coarse, self._styles(coarse.plan)[0], reliefs, None)
        maps = self._assembled(unguided, progress)
        guide = CoarseMaps(maps, coarse.window, coarse.plan.canvas)
        return _NetworkPass(scheduled, styles, reliefs, guide)

    def _assembled(self, network: _NetworkPass, progress: _Progress) -> Array:
        """Compute (7, H, W) of a pass's window, piece by piece."""
        window, pieces = network.scheduled.window, network.scheduled.pieces
        if len(pieces) == 1:
            raw = self._raw(network, window)
            progress.piece_done()
            return raw
        cell = self.shape.cell_px
        out = np.empty((OUTPUT_CHANNELS, window.rows * cell, window.columns * cell), np.float32)
        for piece in pieces:
            top, left = (piece.top - window.top) * cell, (piece.left - window.left) * cell
            area = np.s_[:, top : top + piece.rows * cell, left : left + piece.columns * cell]
            out[area] = self._raw(network, piece)
            progress.piece_done()
        return out

    def _styles(self, plan: Plan) -> tuple[Array, Array]:
        """Return the style of the trunk, and the relief of each part in tiles.

        Without a mask the style is (1, levels, style_dim), the sources mixed by their shares; with
        one (1, sources, style_dim).
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

    def _raw(self, network: _NetworkPass, window: Window) -> Array:
        """Compute (7, H, W) of a window, with a halo around it unless it is the whole torus."""
        if is_whole_torus(network.plan.canvas, window):
            return self._computed(network, window)
        return self._cut(network, window, halo_cells(self.shape.levels, self.shape.cell_px))

    def _cut(self, network: _NetworkPass, window: Window, halo: int) -> Array:
        border = halo * self.shape.cell_px
        return self._computed(network, window.grown(halo))[:, border:-border, border:-border]

    def _computed(self, network: _NetworkPass, window: Window) -> Array:
        """Run the network on a window."""
        self.check()
        guide = None
        if network.guide is not None:
            finest = 2 ** (self.shape.levels - 1)
            guide = guide_input(network.guide.at(network.plan.canvas, window, finest))
        inputs = build_inputs(network.plan, self.shape, window, guide)
        features = run_trunk(self.backend, network.styles, inputs)
        self.check()
        raw: Array = run_head(self.backend, features, inputs)[0]
        return raw


def run_trunk(backend: Backend, styles: Array, inputs: NetworkInputs) -> list[Array]:
    """Run all but the head: style (B, levels, D), or with shares (B, sources, D) -> the inputs of
    `run_head`.
    """
    arrays = [styles, inputs.start, inputs.guide, *inputs.layouts, *inputs.noises, *inputs.shares]
    return backend.run("painted_trunk" if inputs.shares else "trunk", arrays, reuse_outputs=True)


def run_head(backend: Backend, features: list[Array], inputs: NetworkInputs) -> Array:
    """Run the last convolution: -> (B, 7, H, W) in [0, 1]."""
    return (
        backend.run("guided_head", [features[0], inputs.guide])[0]
        if inputs.guided
        else backend.run("head", features)[0]
    )


@dataclass(frozen=True)
class _NetworkPass:
    """A scheduled pass with the inputs that all of its pieces share."""

    scheduled: Pass
    styles: Array
    reliefs: Array
    guide: CoarseMaps | None

    @property
    def plan(self) -> Plan:
        return self.scheduled.plan


class _Progress:
    """Counts finished pieces and reports their share."""

    def __init__(self, count: int, on_progress: Callable[[float], None]) -> None:
        self.count, self.finished, self.on_progress = count, 0, on_progress

    def piece_done(self) -> None:
        self.finished += 1
        self.on_progress(min(1.0, self.finished / self.count))
