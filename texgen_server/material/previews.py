# SPDX-License-Identifier: Apache-2.0
"""Small previews of a material, from maps that exist before the result is finished."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen.maps import Pixels, from_unit
from texgen.render.shrink import shrink
from texgen_server.material.postprocess import Postprocess, adjust_color
from texgen_server.networks.channels import BASECOLOR

PREVIEW_PX = 256
"""Longest edge of a preview, at most."""


def basecolor_preview(raw: NDArray[np.float32], postprocess: Postprocess) -> NDArray[np.uint8]:
    """Turn the network's output (7, H, W) into (h, w, 3) sRGB."""
    color = adjust_color(shrink(raw[BASECOLOR], PREVIEW_PX), postprocess)
    return from_unit(color, np.uint8, half_to_even=True).transpose(1, 2, 0)


def pixels_preview(pixels: Pixels) -> NDArray[np.uint8]:
    """Shrink (H, W, 3) sRGB, uint8, to (h, w, 3)."""
    small = shrink(pixels.transpose(2, 0, 1).astype(np.float32), PREVIEW_PX)
    return np.round(small).astype(np.uint8).transpose(1, 2, 0)
