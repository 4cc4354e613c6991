# SPDX-License-Identifier: Apache-2.0
"""Resampling of periodic maps along one axis, at evenly or unevenly spaced positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LOBES = 3
"""Lobes of the windowed sinc (Lanczos) on each side."""


def even_positions(stored: int, wanted: int) -> NDArray[np.float64]:
    """Return the centres of ``wanted`` equal pixels in the coordinates of ``stored`` ones; pixel 0
    has its centre at 0.
    """
    positions: NDArray[np.float64] = (np.arange(wanted, dtype=np.float64) + 0.5) * (
        stored / wanted
    ) - 0.5
    return positions


def row_positions(
    stored: int, wanted: int, boundaries: tuple[float, ...], multiple: int
) -> NDArray[np.float64]:
    """Return positions (wanted,) in stored pixels, ascending, that put each boundary (a fraction of
    the tile) on a multiple of ``multiple`` pixels: piecewise linear between them.

    A row that would vanish keeps one ``multiple``.
    """
    source = np.asarray(boundaries, np.float64) * stored
    cells = wanted // multiple
    edges = np.round(np.asarray(boundaries) * cells).astype(int)
    for i in range(1, len(edges)):
        edges[i] = max(edges[i], edges[i - 1] + 1)
    target = edges.astype(np.float64) * multiple
    known_target = np.concatenate([[target[-1] - wanted], target, [target[0] + wanted]])
    known_source = np.concatenate([[source[-1] - stored], source, [source[0] + stored]])
    positions: NDArray[np.float64] = (
        np.interp(np.arange(wanted) + 0.5, known_target, known_source) - 0.5
    )
    return positions


def resample_axis(maps: Array, positions: NDArray[np.float64], axis: int) -> Array:
    """Sample a periodic array at ``positions`` (in pixels, ascending) along ``axis`` with a Lanczos
    filter as wide as the local step.

    Returns float32 with ``len(positions)`` samples along ``axis``; constants stay constant, whole
    shifts are exact.
    """
    moved = np.moveaxis(maps, axis, 0)
    size = len(moved)
    step = np.maximum(1.0, np.gradient(positions))
    half = int(np.ceil(LOBES * step.max()))
    first = np.floor(positions).astype(int) - half + 1
    taps = first[:, None] + np.arange(2 * half)
    x = (taps - positions[:, None]) / step[:, None]
    weights = np.where(np.abs(x) < LOBES, np.sinc(x) * np.sinc(x / LOBES), 0.0)
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    out = np.zeros((len(positions), *moved.shape[1:]), np.float32)
    for tap in range(2 * half):
        shape = (-1,) + (1,) * (moved.ndim - 1)
        out += weights[:, tap].reshape(shape) * moved[taps[:, tap] % size]
    return np.ascontiguousarray(np.moveaxis(out, 0, axis))
