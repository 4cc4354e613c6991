# SPDX-License-Identifier: Apache-2.0
"""Measures how visible the seam of a tiled map is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen.maps import Pixels

SEAM_SAMPLES = 128
"""Approximate number of rows and of column runs that are compared."""
SEAM_RUN = 16
"""Adjacent columns in one run."""


def seam_percentile(pixels: Pixels) -> float:
    """Rank the gradient across the wrap-around among those of all neighbouring rows and columns.

    On an exactly periodic image the seam is a pair of neighbours like any other. The worse axis
    counts. A large map is sampled: some rows, and some runs of columns.

    Args:
        pixels: (H, W, C) or (H, W) samples.

    Returns:
        Percentile in [0, 100]; 100 is a visible seam, 0 a map without any gradient.
    """
    height, width = pixels.shape[:2]
    image = np.ascontiguousarray(pixels).reshape(height, width, -1)
    channels = image.shape[2]
    columns = _sample_columns(image)
    rows = image[:: max(1, height // SEAM_SAMPLES)].reshape(-1, width * channels)
    between_rows = _steps(columns, 1, 0) @ np.ones(columns.shape[1], np.float32)
    between_columns = (
        (np.ones(len(rows), np.float32) @ _steps(rows, channels, 1)).reshape(width, channels).sum(1)
    )
    return max(_rank_of_first(between_rows), _rank_of_first(between_columns))


def _sample_columns(image: NDArray[np.generic]) -> NDArray[np.generic]:
    """Select runs of adjacent columns, (H, W, C) -> (H, n); gathering single columns would take
    longer than comparing them.
    """
    height, width = image.shape[:2]
    stride = SEAM_RUN * max(1, width // SEAM_SAMPLES)
    return np.concatenate(
        [image[:, start : start + SEAM_RUN] for start in range(0, width, stride)], 1
    ).reshape(height, -1)


def _steps(lines: NDArray[np.generic], distance: int, axis: int) -> NDArray[np.float32]:
    """Return the distance of each sample to the one before it, around the end. Integers are
    subtracted in their own dtype, which is faster.
    """
    if lines.dtype.kind == "f":
        lines = lines.astype(np.float32)
    previous = np.roll(lines, distance, axis)
    difference = np.subtract(np.maximum(lines, previous), np.minimum(lines, previous))
    steps: NDArray[np.float32] = difference.astype(np.float32, copy=False)
    return steps


def _rank_of_first(gradient: NDArray[np.float32]) -> float:
    """Return the percentile of the first value among the others."""
    return (
        100.0 * float((gradient[1:] < gradient[0]).mean())
        if len(gradient) > 1 and gradient.max() > 0
        else 0.0
    )
