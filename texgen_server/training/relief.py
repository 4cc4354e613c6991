# SPDX-License-Identifier: Apache-2.0
"""Height from normals on the torus, blended with a scanned height, and ambient occlusion from height (all numpy)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]

MAX_SLOPE = 3.0
"""Slopes are clipped here (about 72 degrees): beyond it an 8-bit normal carries no height any more."""


def slopes_from_normal(normal: Array) -> tuple[Array, Array]:
    """(H, W, 3) OpenGL normals in [-1, 1] -> height change per pixel to the right and downwards, each (H, W)."""
    z = np.clip(normal[..., 2], 0.15, None)
    right = np.clip(-normal[..., 0] / z, -MAX_SLOPE, MAX_SLOPE)
    down = np.clip(normal[..., 1] / z, -MAX_SLOPE, MAX_SLOPE)
    return right - right.mean(), down - down.mean()


def central_slopes(height: Array) -> tuple[Array, Array]:
    """Central differences of a periodic height (H, W): (right, down)."""
    right = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) * 0.5
    down = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) * 0.5
    return right, down


def integrate(right: Array, down: Array) -> Array:
    """Frankot-Chellappa: the periodic height (H, W), in pixels, whose slopes are nearest to the given ones. Mean 0.

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


def blend_scanned(integrated: Array, scanned: Array, crossover_cycles: float = 6.0) -> tuple[Array, float]:
    """Low frequencies from the scanned height, high ones from the integrated normals.

    ``scanned`` (H, W) has an unknown scale: it is fitted to the integrated slopes. Returns the blend, in pixels, and the
    correlation of the two slope fields; at a correlation below 0.3 the scan is ignored (wrong map, wrong orientation).
    """
    ours, theirs = np.stack(central_slopes(integrated)), np.stack(central_slopes(scanned))
    energy = float((theirs * theirs).sum())
    overlap = float((ours * theirs).sum())
    correlation = overlap / max(1e-12, (energy * float((ours * ours).sum())) ** 0.5)
    if energy <= 0 or correlation < 0.3:
        return integrated, correlation
    scaled = (scanned - scanned.mean()) * (overlap / energy)
    rows, columns = integrated.shape
    cycles = np.hypot(np.fft.fftfreq(rows)[:, None] * rows, np.fft.fftfreq(columns)[None] * columns)
    low = 1.0 / (1.0 + (cycles / crossover_cycles) ** 4)
    mixed = low * np.fft.fft2(scaled) + (1.0 - low) * np.fft.fft2(integrated)
    return np.real(np.fft.ifft2(mixed)).astype(np.float32), correlation


def ambient_occlusion(height_px: Array) -> Array:
    """Cavity occlusion of a periodic height in pixels: 1 in the open, darker in crevices, summed over four scales."""
    occlusion = np.zeros_like(height_px)
    for radius in (2.0, 4.0, 8.0, 16.0):
        around = ndimage.gaussian_filter(height_px, radius, mode="wrap")
        occlusion += np.clip(around - height_px, 0.0, None) / radius
    result: Array = np.exp(-0.7 * occlusion).astype(np.float32)
    return result
