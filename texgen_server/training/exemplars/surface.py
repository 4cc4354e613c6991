# SPDX-License-Identifier: Apache-2.0
"""Joins height and normals of an exemplar so that they agree: scanned where that can be trusted,
integrated elsewhere, turned where the relief is inverted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen_server.repair.normal_integration import central_slopes, integrate, slopes_from_normal
from texgen_server.training.exemplars.families import Layout
from texgen_server.training.scanned_relief import blend_scanned

Array = NDArray[np.float32]

STEPPED_NORMALS = frozenset({"Fabric010", "Fabric015", "Fabric066"})
"""Sets whose normals have steps: their scanned height is used alone."""
DRIFT_CYCLES = 16.0
"""Cycles a tile below which noise of normals adds up to hills when they are integrated."""
OCTAVE_BANDS = 3
"""Bands an octave in which noise is separated from relief."""
UNTRUSTED_HEIGHT = frozenset({"badheight", "height_not_normal"})


@dataclass(frozen=True)
class Surface:
    """Relief of a tile."""

    normal: Array
    """Normal (H, W, 2): x and y of the unit normal, OpenGL +Y, in [-1, 1]."""
    height_px: Array
    """Height (H, W) in pixels, mean 0."""
    agreement: float
    """Correlation of the slopes of ``height_px`` with those of the normal, after all corrections.
    """
    source: str
    """Source of the height: "scan", "scan and normal" or "normal"."""


def make_surface(normal: Array, scanned: Array | None, layout: Layout) -> Surface:
    """Join a set's normal (H, W, 3 in [0, 1], OpenGL) and its scanned height (H, W in [0, 1], any
    unit; None where there is none).
    """
    vector = normal * 2.0 - 1.0
    if "normals_swapped" in layout.flags:
        vector = np.stack([vector[..., 1], vector[..., 0], vector[..., 2]], -1)
    vector /= np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-6)
    if "tilt" in layout.flags:
        vector = _without_tilt(vector)
    if "inverted" in layout.flags:
        vector = vector * np.asarray([-1.0, -1.0, 1.0], np.float32)
        scanned = None if scanned is None else 1.0 - scanned
    height, source = _height(vector, scanned, layout)
    return Surface(
        np.ascontiguousarray(vector[..., :2]), height, slope_agreement(vector, height), source
    )


def slope_agreement(vector: Array, height_px: Array) -> float:
    """Return the correlation, in [-1, 1], of the slopes that a normal (H, W, 3) and a height in
    pixels (H, W) give; 1 where both are flat.
    """
    given, own = np.stack(slopes_from_normal(vector)), np.stack(central_slopes(height_px))
    energy = float((given * given).sum()) * float((own * own).sum())
    return 1.0 if energy < 1e-9 else float((given * own).sum()) / energy**0.5


def _height(vector: Array, scanned: Array | None, layout: Layout) -> tuple[Array, str]:
    integrated = integrate_without_drift(*slopes_from_normal(vector))
    if scanned is None:
        return integrated, "normal"
    if layout.asset_id in STEPPED_NORMALS:
        ratio = integrated.std() / max(1e-6, float(scanned.std()))
        return np.asarray((scanned - scanned.mean()) * ratio, np.float32), "scan"
    if UNTRUSTED_HEIGHT & layout.flags:
        return integrated, "normal"
    blended, _ = blend_scanned(integrated, scanned)
    return blended, "normal" if blended is integrated else "scan and normal"


def integrate_without_drift(right: Array, down: Array) -> Array:
    """Integrate slopes (H, W) to a periodic height in pixels, less the slow hills that are only
    noise.

    A relief has no curl: what curl there is measures the noise, band by band, and the rest is
    weighed as by Wiener (1949).
    """
    height = integrate(right, down)
    rows, columns = height.shape
    y, x = np.fft.fftfreq(rows)[:, None] * rows, np.fft.fftfreq(columns)[None] * columns
    cycles = np.maximum(np.hypot(y, x), 1e-9)
    across, along = np.fft.fft2(right), np.fft.fft2(down)
    relief = np.abs((x * across + y * along) / cycles) ** 2
    noise = np.abs((y * across - x * along) / cycles) ** 2
    band = np.clip(np.round(OCTAVE_BANDS * np.log2(np.maximum(cycles, 1.0))), 0, None).astype(int)
    noise_power, relief_power = (
        np.bincount(band.ravel(), part.ravel()) for part in (noise, relief)
    )
    share = noise_power / np.maximum(relief_power, 1e-9)
    trusted = np.clip(1.0 - share, 0.0, 1.0)[band]
    slow = 1.0 / (1.0 + (cycles / DRIFT_CYCLES) ** 4)
    return np.real(np.fft.ifft2(np.fft.fft2(height) * (1.0 - slow * (1.0 - trusted)))).astype(
        np.float32
    )


def _without_tilt(vector: Array) -> Array:
    """Remove the mean slope, which would lean the whole surface."""
    z = np.maximum(vector[..., 2:], 0.15)
    slopes = vector[..., :2] / z
    slopes -= slopes.mean((0, 1))
    straight = np.concatenate([slopes, np.ones_like(z)], -1)
    unit: Array = straight / np.linalg.norm(straight, axis=-1, keepdims=True)
    return unit
