# SPDX-License-Identifier: Apache-2.0
"""Pictures with and without a seam."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def blobs(rng, size=(120, 140), period=False):
    """A smooth random picture that does not tile, or does."""
    big = ndimage.gaussian_filter(rng.random((*size, 3)), (3, 3, 0), mode="wrap")
    big = (big - big.min()) / (big.max() - big.min())
    return np.round((big if period else big[:-30, :-30]) * 255).astype(np.uint8)
