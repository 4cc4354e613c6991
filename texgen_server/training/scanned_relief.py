# SPDX-License-Identifier: Apache-2.0
"""Joins a scan's height with its integrated normals, and computes ambient occlusion from height."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from texgen_server.repair.normal_integration import central_slopes

Array = NDArray[np.float32]


def blend_scanned(
    integrated: Array, scanned: Array, crossover_cycles: float = 6.0
) -> tuple[Array, float]:
    """Take low frequencies from the scanned height, high ones from the integrated normals.

    ``scanned`` (H, W) has an unknown scale: it is fitted to the integrated slopes. Returns the
    blend, in pixels, and the correlation of the two slope fields; at a correlation below 0.3 the
    scan is ignored (wrong map, wrong orientation).
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
    """Return the cavity occlusion of a periodic height in pixels: 1 in the open, darker in
    crevices, summed over four scales.
    """
    occlusion = np.zeros_like(height_px)
    for radius in (2.0, 4.0, 8.0, 16.0):
        around = ndimage.gaussian_filter(height_px, radius, mode="wrap")
        occlusion += np.clip(around - height_px, 0.0, None) / radius
    result: Array = np.exp(-0.7 * occlusion).astype(np.float32)
    return result
