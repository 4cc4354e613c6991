# SPDX-License-Identifier: Apache-2.0
"""Gaussian noise by position: a counter-based generator keyed by (seed, level, channel, row,
column).

The value at a place depends on nothing else, so a larger canvas keeps the smaller one's noise, a
window of a field holds the field's own noise, and neither batch nor device can change which texture
a seed names. Source of the mixer: splitmix64 (Steele, Lea, Flood 2014); normals by Box-Muller in
float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)

Indices = NDArray[np.int64]


def hash64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash each element: splitmix64's finaliser."""
    with np.errstate(over="ignore"):
        x = values + _GOLDEN
        x = (x ^ (x >> np.uint64(30))) * _MIX1
        x = (x ^ (x >> np.uint64(27))) * _MIX2
    return x ^ (x >> np.uint64(31))


def gaussian_field(
    seed: int, level: int, channels: int, rows: Indices, columns: Indices
) -> NDArray[np.float32]:
    """Return (channels, len(rows), len(columns)) of N(0, 1), each value a function of (seed, level,
    channel, row, column) alone.

    ``rows`` and ``columns`` are positions in an endless plane and may be negative.
    """
    key = hash64(hash64(np.array([seed], np.uint64)) ^ np.uint64(level))
    planes = hash64(key ^ np.arange(channels, dtype=np.uint64))
    lines = hash64(planes[:, None] ^ rows.astype(np.uint64))
    bits = hash64(lines[..., None] ^ columns.astype(np.uint64))
    radius = np.sqrt(-2.0 * np.log(((bits >> np.uint64(32)).astype(np.float64) + 0.5) * 2.0**-32))
    angle = (bits & np.uint64(0xFFFFFFFF)).astype(np.float64) * (2.0 * np.pi * 2.0**-32)
    return (radius * np.cos(angle)).astype(np.float32)


def uniforms(seed: int, stream: int, count: int) -> NDArray[np.float64]:
    """Return ``count`` numbers in [0, 1) from the given stream of a seed."""
    key = hash64(hash64(np.array([seed], np.uint64)) ^ np.uint64(0xF00D0000 + stream))
    bits = hash64(key ^ np.arange(count, dtype=np.uint64))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
