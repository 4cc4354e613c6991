# SPDX-License-Identifier: Apache-2.0
"""Computes height from normals on the torus, and slopes from height. Numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

MAX_SLOPE = 3.0
"""Largest slope (about 72 degrees): beyond it an 8-bit normal carries no height any more."""


def slopes_from_normal(normal: Array) -> tuple[Array, Array]:
    """Turn OpenGL normals (H, W, 3) in [-1, 1] into the height change per pixel to the right and
    downwards, each (H, W).
    """
    z = np.clip(normal[..., 2], 0.15, None)
    right = np.clip(-normal[..., 0] / z, -MAX_SLOPE, MAX_SLOPE)
    down = np.clip(normal[..., 1] / z, -MAX_SLOPE, MAX_SLOPE)
    return right - right.mean(), down - down.mean()


def central_slopes(height: Array) -> tuple[Array, Array]:
    """Compute central differences of a periodic height (H, W): (right, down)."""
    right = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) * 0.5
    down = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) * 0.5
    return right, down


def integrate(right: Array, down: Array) -> Array:
    """Integrate slopes (Frankot-Chellappa): the periodic height (H, W), in pixels, whose slopes are
    nearest to the given ones. Mean 0.

    The derivative is the exact one (2 pi i f): exact for band-limited periodic maps.
    """
    rows, columns = right.shape
    wave_y = 2j * np.pi * np.fft.fftfreq(rows)[:, None]
    wave_x = 2j * np.pi * np.fft.fftfreq(columns)[None]
    power = np.abs(wave_y) ** 2 + np.abs(wave_x) ** 2
    power[0, 0] = np.inf
    spectrum = (np.conj(wave_x) * np.fft.fft2(right) + np.conj(wave_y) * np.fft.fft2(down)) / power
    height: Array = np.real(np.fft.ifft2(spectrum)).astype(np.float32)
    return height
