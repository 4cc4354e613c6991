# SPDX-License-Identifier: Apache-2.0
"""Plan and window -> the inputs of the network: start, layouts, noises, guide, and under a mask the
shares of the sources.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen_server.material.canvas import Canvas, Indices, Window
from texgen_server.material.plan import Array, NetworkShape, Plan, Source, Transition
from texgen_server.networks.channels import GUIDE_CHANNELS
from texgen_server.networks.waves import LAYOUT_CHANNELS, layout_field
from texgen_server.noise import gaussian_field

FINE_NOISE = 16
"""Added to the level that seeds the noise of a guided pass, so that it differs from that of the
coarse pass.
"""


@dataclass(frozen=True)
class NetworkInputs:
    """Inputs of the network for one window; leading axis 1."""

    start: Array  # (1, noise_channels, h, w)
    layouts: list[Array]  # level i: (1, 5, h 2^i, w 2^i)
    noises: list[Array]  # level i: (1, 1, h 2^i, w 2^i)
    shares: list[Array]  # level i: (1, sources, h 2^i, w 2^i) of the style; empty without a mask
    guide: Array  # (1, 8, h 2^n, w 2^n) on the grid of the finest level; zeros where nothing guides
    guided: bool


def build_inputs(
    plan: Plan, shape: NetworkShape, window: Window, guide: Array | None = None
) -> NetworkInputs:
    """Build all inputs of a window. Where several sources meet, noise keeps its variance of 1.

    ``guide`` (8, h 2^n, w 2^n) is that of a fine pass (`coarse_pass.guide_input`).
    """
    stream = 0 if guide is None else FINE_NOISE
    layouts, noises, shares = [], [], []
    for level in range(shape.levels):
        scale = 2**level
        under = _part_shares(plan, shape, window, scale)
        layouts.append(_layout(plan, window, scale, under)[None])
        noises.append(_noise(plan, window, scale, under, level + 1, 1, stream)[None])
        if plan.mask is not None:
            shares.append(
                np.stack([s.style_share[level] * under[s.part] for s in plan.sources])[None].astype(
                    np.float32
                )
            )
    start = _noise(
        plan, window, 1, _part_shares(plan, shape, window, 1), 0, shape.noise_channels, stream
    )[None]
    finest = 2 ** (shape.levels - 1)
    guided = guide is not None
    if guide is None:
        size = (GUIDE_CHANNELS, window.rows * finest, window.columns * finest)
        guide = np.zeros(size, np.float32)
    return NetworkInputs(start, layouts, noises, shares, guide[None], guided)


def pixel_shares(plan: Plan, shape: NetworkShape, window: Window) -> Array:
    """Return (parts, H, W), the share of each part in every pixel of a window of a masked plan."""
    return _part_shares(plan, shape, window, shape.cell_px)


def _part_shares(plan: Plan, shape: NetworkShape, window: Window, scale: int) -> Array:
    """Return (parts, rows, columns) on a grid of ``scale`` samples a cell; ones without a mask."""
    rows, columns = window.places(scale)
    if plan.mask is None:
        return np.ones((1, 1, 1), np.float32)
    if isinstance(plan.mask, Transition):
        right = _ramp(plan.canvas, plan.mask, columns, scale)
        return np.broadcast_to(
            np.stack([1.0 - right, right])[:, None, :], (2, len(rows), len(columns))
        )
    parts = 1 + max(s.part for s in plan.sources)
    down, right_places = plan.canvas.wrapped(rows, columns, scale)
    painted = _painted(plan.mask, parts, shape.cell_px // scale)
    return painted[:, down[:, None], right_places[None]]


def _painted(mask: NDArray[np.uint8], parts: int, block: int) -> Array:
    """Return (parts, H / block, W / block), the share of each part in every block of the mask."""
    height, width = mask.shape
    one_hot = mask[None] == np.arange(parts, dtype=np.uint8)[:, None, None]
    shares: Array = one_hot.reshape(parts, height // block, block, width // block, block).mean(
        (2, 4), dtype=np.float32
    )
    return shares


def _ramp(canvas: Canvas, transition: Transition, columns: Indices, scale: int) -> Array:
    """Return a ramp from 0 at the left border to 1 at the right one, level at both for as far as
    the network sees.
    """
    assert canvas.period is not None
    across = (columns + 0.5) / (scale * canvas.period[1] * transition.steps)
    t = np.clip((across - transition.margin) / (1.0 - 2.0 * transition.margin), 0.0, 1.0)
    return (t * t * (3.0 - 2.0 * t)).astype(np.float32)


def _layout(plan: Plan, window: Window, scale: int, under: Array) -> Array:
    """Sample the layouts of all sources: (5, rows, columns)."""
    rows, columns = window.places(scale)
    field = np.zeros((LAYOUT_CHANNELS, len(rows), len(columns)), np.float32)
    step = plan.canvas.step_tiles(scale)
    down, right = plan.canvas.wrapped(rows, columns, scale)
    for s in plan.sources:
        for layout in s.layouts if s.layout_share else ():
            places = [
                s.origin[axis] + (indices + 0.5) * step[axis]
                for axis, indices in enumerate((down, right))
            ]
            part = layout_field(
                layout.waves[None], layout.amplitudes[None], places[0][None], places[1][None], step
            )[0]
            field += part * np.float32(layout.gain * s.layout_share) * under[s.part]
    return field


def _noise(
    plan: Plan, window: Window, scale: int, under: Array, level: int, channels: int, stream: int
) -> Array:
    """Return (channels, rows, columns) of N(0, 1), from one field for each seed among the
    sources.
    """
    down, right = plan.canvas.wrapped(*window.places(scale), scale)
    shares: dict[int, Array] = {}
    for s in plan.sources:
        if s.noise_share[level]:
            shares[s.seed] = (
                shares.get(s.seed, np.zeros(1, np.float32)) + s.noise_share[level] * under[s.part]
            )
    if len(shares) == 1:
        return gaussian_field(_only_seed(plan, level), stream + level, channels, down, right)
    total = sum((share * share for share in shares.values()), np.zeros(1, np.float32))
    field = np.zeros((channels, len(down), len(right)), np.float32)
    for seed, share in shares.items():
        field += gaussian_field(seed, stream + level, channels, down, right) * (
            share / np.sqrt(np.maximum(total, 1e-12))
        )
    return field


def _only_seed(plan: Plan, level: int) -> int:
    source: Source = next(s for s in plan.sources if s.noise_share[level])
    return source.seed
