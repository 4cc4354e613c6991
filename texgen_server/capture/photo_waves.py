# SPDX-License-Identifier: Apache-2.0
"""The regular part of a photograph, which need not tile: windowed spectral peaks, moved to the
nearest whole cycles.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen_server.material.plan import Layout
from texgen_server.networks.waves import ring_median

MAX_WAVES = 24
MAX_CYCLES = 40
PEAK_OVER_BACKGROUND = 40.0
"""Least power of a peak over the median of its ring: a window spreads noise, so more than for a
periodic map.
"""
COLOURS = 3


def photo_layout(picture: NDArray[np.float32], neighbour: NDArray[np.complex64]) -> Layout:
    """Find the waves of a photograph (S, S, 3).

    Height and roughness follow lightness as in the neighbour's amplitudes (K, 5).
    """
    size = picture.shape[0]
    window = np.hanning(size + 1)[:-1]
    window = window[:, None] * window[None]
    deviation = np.maximum(picture.std((0, 1)), 0.02)
    centred = (picture - picture.mean((0, 1))) / deviation
    spectrum = np.fft.fft2(centred * window[..., None], axes=(0, 1)) / window.sum()
    power = (np.abs(spectrum) ** 2).mean(-1)
    rows, columns = np.nonzero(_peaks(power))
    order = np.argsort(-power[rows, columns])[:MAX_WAVES]
    rows, columns = rows[order], columns[order]
    cycles = np.round(np.fft.fftfreq(size) * size).astype(int)
    waves = np.stack([cycles[rows], cycles[columns]], 1).astype(np.float32)
    half_pixel = np.exp(-1j * np.pi * waves.sum(1) / size)
    colours = 2.0 * spectrum[rows, columns] * half_pixel[:, None]
    light = colours.mean(1, keepdims=True)
    amplitudes = np.concatenate([colours, light * _follows(neighbour)[None]], 1)
    return Layout(waves, amplitudes.astype(np.complex64), 1.0)


def _peaks(power: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Find the bins of the upper half plane that stand out of their ring and above their
    neighbours.
    """
    size = power.shape[0]
    cycles = np.round(np.fft.fftfreq(size) * size)
    ky, kx = np.meshgrid(cycles, cycles, indexing="ij")
    radius = np.hypot(ky, kx)
    half = (
        (np.maximum(abs(ky), abs(kx)) <= MAX_CYCLES)
        & ((ky > 0) | ((ky == 0) & (kx > 0)))
        & (radius >= 2)
    )
    around = [
        np.roll(power, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx
    ]
    peaks: NDArray[np.bool_] = (
        half
        & (power > PEAK_OVER_BACKGROUND * ring_median(power, radius))
        & (power >= np.maximum.reduce(around))
    )
    return peaks


def _follows(neighbour: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Return how height and roughness follow lightness in a training material's layout: (2,) real
    factors, 0 where it has no layout.
    """
    light = neighbour[:, :COLOURS].mean(1)
    energy = float((np.abs(light) ** 2).sum())
    if energy < 1e-6:
        return np.zeros(2)
    factors: NDArray[np.float64] = (
        np.real((neighbour[:, COLOURS:] * np.conj(light)[:, None]).sum(0)) / energy
    )
    return np.clip(factors, -2.0, 2.0)
