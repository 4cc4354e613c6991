# SPDX-License-Identifier: Apache-2.0
"""Small previews of an environment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen.render.panorama import tone_map
from texgen.render.shrink import shrink

PREVIEW_PX = 256
"""Longest edge of a preview, at most."""


def panorama_preview(radiance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Shrink and tone-map radiance (H, 2 H, 3), as a panorama's preview file is: (h, 2 h, 3)
    sRGB.
    """
    small = shrink(radiance.transpose(2, 0, 1), PREVIEW_PX)
    return tone_map(small.transpose(1, 2, 0))
