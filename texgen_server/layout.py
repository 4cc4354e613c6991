# SPDX-License-Identifier: Apache-2.0
"""The regular part of a material as a few periodic waves: brick courses, planks, tiles, ribs.

A wave has an integer wave vector (cycles per tile), so any whole number of tiles is exactly periodic, and one complex amplitude
for each of the five layout channels. All waves of a material share one origin, which keeps their phases, and with them joints
and edges, together. Stochastic materials have (nearly) no waves. Numpy only: serving needs no torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LAYOUT_CHANNELS = 5
"""basecolor r, g, b, height, roughness, each in units of the material's own deviation."""


def layout_field(
    waves: NDArray[np.float32],
    amplitudes: NDArray[np.complex64],
    origin_tiles: NDArray[np.float64],
    extent_tiles: tuple[float, float],
    grid: tuple[int, int],
) -> NDArray[np.float32]:
    """Sample the layout on a grid.

    ``waves`` (B, K, 2) cycles per tile as (y, x); ``amplitudes`` (B, K, 5); ``origin_tiles`` (B, 2) position of the grid's upper
    left corner as (y, x); ``extent_tiles`` the grid's height and width in tiles (whole numbers on a torus); ``grid`` its rows and
    columns. Waves above a grid's Nyquist frequency are faded out. Returns (B, 5, rows, columns).
    """
    step = np.array([extent_tiles[0] / grid[0], extent_tiles[1] / grid[1]])
    cycles_per_sample = (np.abs(waves) * step).max(-1)  # (B, K)
    gate = np.clip((0.5 - cycles_per_sample) * 4.0, 0.0, 1.0).astype(np.float32)
    weighted = amplitudes * gate[..., None]
    used = np.flatnonzero(np.abs(weighted).max((0, 2)) > 0)
    if not used.size:
        return np.zeros((len(waves), amplitudes.shape[2], *grid), np.float32)
    down = _phasors(waves[:, used, 0], origin_tiles[:, 0], extent_tiles[0], grid[0])
    right = _phasors(waves[:, used, 1], origin_tiles[:, 1], extent_tiles[1], grid[1])
    rows = weighted[:, used].transpose(0, 2, 1)[:, :, None, :] * down.transpose(0, 2, 1)[:, None]  # (B, 5, rows, K)
    return np.ascontiguousarray((rows @ right[:, None]).real)


def _phasors(wave: NDArray[np.float32], origin: NDArray[np.float64], extent: float, count: int) -> NDArray[np.complex64]:
    """exp(2 pi i k u) at the centres of ``count`` samples: (B, K) -> (B, K, count)."""
    centres = (np.arange(count) + 0.5) * (extent / count)
    turns = wave.astype(np.float64)[..., None] * (origin[:, None, None] + centres)
    result: NDArray[np.complex64] = np.exp(2j * np.pi * (turns % 1.0)).astype(np.complex64)
    return result
