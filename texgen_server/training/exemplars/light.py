# SPDX-License-Identifier: Apache-2.0
"""Evens the light of a scan: removes slow changes of brightness that its lamp has left in the
basecolor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen.files.images import linear_to_srgb, srgb_to_linear

Array = NDArray[np.float32]
LUMINANCE = np.asarray([0.2126, 0.7152, 0.0722], np.float32)
SLOWEST_KEPT_CYCLES = 3.0
"""Cycles a tile below which changes count as light."""
MOST_GAIN = 2.5


def flatten_light(basecolor: Array) -> Array:
    """Divide a periodic sRGB basecolor (H, W, 3) in [0, 1] by its slow luminance; the mean
    luminance stays.
    """
    linear = srgb_to_linear(basecolor)
    luminance = np.maximum(linear @ LUMINANCE, 1e-3)
    slow = slow_part(np.log(luminance), SLOWEST_KEPT_CYCLES)
    gain = np.clip(np.exp(-slow), 1.0 / MOST_GAIN, MOST_GAIN)
    even = linear * gain[..., None]
    even *= luminance.mean() / max(1e-6, float((even @ LUMINANCE).mean()))
    return np.clip(linear_to_srgb(np.clip(even, 0.0, 1.0)), 0.0, 1.0).astype(np.float32)


def slow_part(values: Array, cycles: float) -> Array:
    """Return the part of a periodic (H, W) array below ``cycles`` per tile (a soft Gaussian edge),
    without its mean.
    """
    rows, columns = values.shape
    frequency = np.hypot(
        np.fft.fftfreq(rows)[:, None] * rows, np.fft.fftfreq(columns)[None] * columns
    )
    keep = np.exp(-0.5 * (frequency / cycles) ** 4)
    keep[0, 0] = 0.0
    return np.real(np.fft.ifft2(np.fft.fft2(values) * keep)).astype(np.float32)
