# SPDX-License-Identifier: Apache-2.0
"""Samples in [0, 1] as the integers that files hold, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def to_8_bits(unit: Array) -> NDArray[np.uint8]:
    """Round samples in [0, 1] to 8 bits; ties go to the even neighbour."""
    pixels: NDArray[np.uint8] = np.round(unit * np.float32(255.0)).astype(np.uint8)
    return pixels


def to_16_bits(unit: Array) -> NDArray[np.uint16]:
    """Round samples in [0, 1] to 16 bits; ties go to the even neighbour."""
    pixels: NDArray[np.uint16] = np.round(unit * np.float32(65535.0)).astype(np.uint16)
    return pixels


def from_bits(pixels: NDArray[Any]) -> Array:
    """Return 8-bit or 16-bit samples as float32 in [0, 1]."""
    top = 255.0 if pixels.dtype == np.uint8 else 65535.0
    unit: Array = pixels.astype(np.float32) / np.float32(top)
    return unit
