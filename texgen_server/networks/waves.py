# SPDX-License-Identifier: Apache-2.0
"""The regular part of a material as a few periodic waves: brick courses, planks, tiles, ribs.

A wave has an integer wave vector (cycles per tile), so any whole number of tiles is exactly
periodic, and one complex amplitude for each of the five layout channels. All waves of a material
share one origin, which keeps their phases, and with them joints and edges, together. Stochastic
materials have (nearly) no waves. Numpy only: serving needs no torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LAYOUT_CHANNELS = 5
"""Number of layout channels: basecolor r, g, b, height, roughness, each in units of the material's
own deviation.
"""


def layout_field(
    waves: NDArray[np.float32],
    amplitudes: NDArray[np.complex64],
    down_tiles: NDArray[np.float64],
    right_tiles: NDArray[np.float64],
    step_tiles: tuple[float, float],
) -> NDArray[np.float32]:
    """Sample the layout on a grid.

    ``waves`` (B, K, 2) cycles per tile as (y, x); ``amplitudes`` (B, K, 5); ``down_tiles`` (B,
    rows) and ``right_tiles`` (B, columns) are the places of the samples in tiles; ``step_tiles``
    their distance as (y, x). Waves above the grid's Nyquist frequency are faded out. Returns (B, 5,
    rows, columns).
    """
    cycles_per_sample = (np.abs(waves) * np.array(step_tiles)).max(-1)  # (B, K)
    gate = np.clip((0.5 - cycles_per_sample) * 4.0, 0.0, 1.0).astype(np.float32)
    weighted = amplitudes * gate[..., None]
    used = np.flatnonzero(np.abs(weighted).max((0, 2)) > 0)
    if not used.size:
        return np.zeros(
            (len(waves), amplitudes.shape[2], down_tiles.shape[1], right_tiles.shape[1]), np.float32
        )
    down = _phasors(waves[:, used, 0], down_tiles)
    right = _phasors(waves[:, used, 1], right_tiles)
    rows = (
        weighted[:, used].transpose(0, 2, 1)[:, :, None, :] * down.transpose(0, 2, 1)[:, None]
    )  # (B, 5, rows, K)
    return np.ascontiguousarray((rows @ right[:, None]).real)


def sample_places(
    origin_tiles: NDArray[np.float64], extent_tiles: float, count: int
) -> NDArray[np.float64]:
    """Return the centres of ``count`` samples over ``extent_tiles`` from each origin: (B,) -> (B,
    count).
    """
    return origin_tiles[:, None] + (np.arange(count) + 0.5) * (extent_tiles / count)


def _phasors(wave: NDArray[np.float32], places: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Compute exp(2 pi i k u) at each place: (B, K), (B, count) -> (B, K, count)."""
    turns = wave.astype(np.float64)[..., None] * places[:, None, :]
    result: NDArray[np.complex64] = np.exp(2j * np.pi * (turns % 1.0)).astype(np.complex64)
    return result


def ring_median(power: NDArray[np.float64], radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each bin the median power of bins at about the same radius (rings at least 3 wide,
    wider further out).
    """
    ring = np.round(3.0 * np.log2(np.maximum(radius, 1.0) + 2.0)).astype(int)
    medians = np.array(
        [np.median(power[ring == r]) if (ring == r).any() else 0.0 for r in range(ring.max() + 1)]
    )
    result: NDArray[np.float64] = medians[ring] + 1e-9
    return result
