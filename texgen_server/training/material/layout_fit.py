# SPDX-License-Identifier: Apache-2.0
"""Measures the periodic layout of a training material: the spectral peaks above its stochastic
background.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen_server.networks.waves import ring_median

MAX_WAVES = 48
MAX_CYCLES = 40
"""Highest frequency of a wave, in cycles per tile and axis."""
PEAK_OVER_BACKGROUND = 14.0
"""A bin is a peak when its power is this many times the median of its ring: by chance about 1 in
16,000 bins.
"""


def fit_layout(maps: NDArray[np.float32]) -> tuple[NDArray[np.int16], NDArray[np.complex64]]:
    """Find the waves of a (5, S, S) material: basecolor r, g, b, height, roughness.

    Returns wave vectors (48, 2) as (y, x) cycles per tile and complex amplitudes (48, 5) in units
    of each channel's standard deviation, such that ``Re(sum a exp(2 pi i k u))`` is the regular
    part; unused rows are 0.
    """
    size = maps.shape[1]
    deviation = maps.std((1, 2), keepdims=True)
    centred = (maps - maps.mean((1, 2), keepdims=True)) / np.maximum(deviation, 0.02)
    spectrum = np.fft.fft2(centred) / size**2  # (5, S, S)
    cycles = np.round(np.fft.fftfreq(size) * size).astype(int)
    ky, kx = np.meshgrid(cycles, cycles, indexing="ij")
    half = (np.maximum(abs(ky), abs(kx)) <= MAX_CYCLES) & ((ky > 0) | ((ky == 0) & (kx > 0)))
    power = (np.abs(spectrum[:3]) ** 2).mean(0) + np.abs(spectrum[3]) ** 2
    peaks = half & (power > PEAK_OVER_BACKGROUND * ring_median(power, np.hypot(ky, kx)))
    rows, columns = np.nonzero(peaks)
    order = np.argsort(-power[rows, columns])[:MAX_WAVES]
    rows, columns = rows[order], columns[order]
    waves = np.zeros((MAX_WAVES, 2), np.int16)
    amplitudes = np.zeros((MAX_WAVES, maps.shape[0]), np.complex64)
    waves[: len(order)] = np.stack([ky[rows, columns], kx[rows, columns]], 1)
    half_pixel = np.exp(-1j * np.pi * (waves[: len(order), 0] + waves[: len(order), 1]) / size)
    amplitudes[: len(order)] = 2.0 * spectrum[:, rows, columns].T * half_pixel[:, None]
    return waves, amplitudes
