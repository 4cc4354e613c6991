# SPDX-License-Identifier: Apache-2.0
"""Shrink pictures for previews."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def shrink(planes: NDArray[np.float32], longest_px: int) -> NDArray[np.float32]:
    """Shrink (C, H, W) to at most ``longest_px`` on an edge by means over squares.

    Pixels at the lower and right edge that do not fill a square are left out.
    """
    channels, rows, columns = planes.shape
    step = math.ceil(max(rows, columns) / longest_px)
    whole = planes[:, : rows // step * step, : columns // step * step]
    total = np.zeros((channels, rows // step, columns // step), np.float32)
    # sums of shifted pictures are many times as fast as means over short axes
    for down in range(step):
        for right in range(step):
            total += whole[:, down::step, right::step]
    total /= np.float32(step * step)
    return total
