# SPDX-License-Identifier: Apache-2.0
"""Pictures with and without a seam. Needs numpy alone."""

from __future__ import annotations

import numpy as np

SIGMA_PX = 3.0


def blobs(rng, size=(120, 140), period=False):
    """A smooth random picture that does not tile, or does."""
    down, right = (np.fft.fftfreq(edge) for edge in size)
    square = down[:, None] ** 2 + right[None] ** 2
    blur = np.exp(-2.0 * (np.pi * SIGMA_PX) ** 2 * square)[..., None]
    big = np.fft.ifft2(np.fft.fft2(rng.random((*size, 3)), axes=(0, 1)) * blur, axes=(0, 1)).real
    big = (big - big.min()) / (big.max() - big.min())
    return np.round((big if period else big[:-30, :-30]) * 255).astype(np.uint8)
