# SPDX-License-Identifier: Apache-2.0
"""Small early pictures of what is being made: cheap, from what the work has in hand before it is
done.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from texgen.maps import Pixels
from texgen.render.panorama import tone_mapped
from texgen_server.material.plan import Array
from texgen_server.material.postprocess import Postprocess, adjust_color

PREVIEW_PX = 256
"""The longest edge, at most."""


def basecolor_preview(raw: Array, finish: Postprocess) -> NDArray[np.uint8]:
    """(7, H, W) network output -> (h, w, 3) sRGB."""
    color = adjust_color(_shrunk(raw[:3]), finish)
    return (
        np.round(np.clip(color, 0.0, 1.0) * np.float32(255.0)).astype(np.uint8).transpose(1, 2, 0)
    )


def pixels_preview(pixels: Pixels) -> NDArray[np.uint8]:
    """(H, W, 3) sRGB, uint8 -> (h, w, 3)."""
    return (
        np.round(_shrunk(pixels.transpose(2, 0, 1).astype(np.float32)))
        .astype(np.uint8)
        .transpose(1, 2, 0)
    )


def panorama_preview(radiance: Array) -> NDArray[np.uint8]:
    """(H, 2 H, 3) -> (h, 2 h, 3) sRGB, tone-mapped as a panorama's preview file is."""
    return tone_mapped(_shrunk(radiance.transpose(2, 0, 1)).transpose(1, 2, 0))


def _shrunk(planes: Array) -> Array:
    """(C, H, W) -> means over squares; what is left over at the lower and right edge is
    left out.
    """
    channels, rows, columns = planes.shape
    step = math.ceil(max(rows, columns) / PREVIEW_PX)
    whole = planes[:, : rows // step * step, : columns // step * step]
    total = np.zeros((channels, rows // step, columns // step), np.float32)
    for down in range(
        step
    ):  # sums of shifted pictures: many times as fast as means over short axes
        for right in range(step):
            total += whole[:, down::step, right::step]
    total /= np.float32(step * step)
    return total
