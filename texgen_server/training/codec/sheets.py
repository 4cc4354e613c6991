# SPDX-License-Identifier: Apache-2.0
"""Pictures of a codec at work: scan beside decodes, lit, at 1:1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from texgen_server.training.codec.pixels import UNIT, PictureSet

LIGHT = np.asarray([-0.45, 0.45, 0.77], np.float32)
GAP_PX = 4


def lit(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W, 9) bytes as floats -> (H, W, 3) basecolor under a light from the upper left."""
    x, y = pixels[..., 3] / UNIT - 1.0, pixels[..., 4] / UNIT - 1.0
    z = np.sqrt(np.clip(1.0 - x * x - y * y, 0.05, 1.0))
    shade = np.clip(LIGHT[0] * x + LIGHT[1] * y + LIGHT[2] * z, 0.0, 1.0) / LIGHT[2]
    picture: NDArray[np.uint8] = np.clip(np.clip(pixels[..., :3], 0, 255) * shade[..., None], 0.0, 255.0).astype(np.uint8)
    return picture


def to_pixels(maps: Tensor, pictures: PictureSet, row: int) -> NDArray[np.float32]:
    """(1, 9, H, W) deviations -> (H, W, 9) in [0, 255], constants restored."""
    values = maps * pictures.known[row].view(1, -1, 1, 1) * UNIT + pictures.means[row].view(1, -1, 1, 1)
    pixels: NDArray[np.float32] = np.clip(values[0].permute(1, 2, 0).float().cpu().numpy(), 0.0, 255.0)
    return pixels


def sheet(rows: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Rows of equally large pictures with gaps between them."""
    return np.concatenate(
        [np.pad(np.concatenate([np.pad(p, ((0, 0), (0, GAP_PX), (0, 0))) for p in row], 1), ((0, GAP_PX), (0, 0), (0, 0))) for row in rows]
    )


@torch.no_grad()
def crop_lit(maps: Tensor, pictures: PictureSet, row: int, size_px: int) -> NDArray[np.uint8]:
    """The upper left corner of a decode, lit."""
    return lit(to_pixels(maps[..., :size_px, :size_px], pictures, row))
