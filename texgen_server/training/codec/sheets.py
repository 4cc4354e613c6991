# SPDX-License-Identifier: Apache-2.0
"""Pictures of a codec at work: scan beside decodes, lit, at 1:1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from texgen_server.training.codec.pixels import UNIT, PictureSet
from texgen_server.training.exemplars.prepare import NORMAL
from texgen_server.training.exemplars.sheet import lit

GAP_PX = 4


def to_maps(deviations: Tensor, pictures: PictureSet, row: int) -> NDArray[np.float32]:
    """(1, 9, H, W) deviations -> (H, W, 9) maps as an exemplar holds them, constants restored."""
    values = deviations * pictures.known[row].view(1, -1, 1, 1) * UNIT + pictures.means[row].view(
        1, -1, 1, 1
    )
    maps: NDArray[np.float32] = np.clip(
        values[0].permute(1, 2, 0).float().cpu().numpy() / np.float32(2.0 * UNIT), 0.0, 1.0
    )
    maps[..., NORMAL] = maps[..., NORMAL] * 2.0 - 1.0
    return maps


def crop_lit(deviations: Tensor, pictures: PictureSet, row: int, size_px: int) -> NDArray[np.uint8]:
    """The upper left corner of a decode (1, 9, H, W), lit."""
    return lit(to_maps(deviations[..., :size_px, :size_px], pictures, row))


def sheet(rows: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Rows of equally large pictures with gaps between them."""
    gap = ((0, GAP_PX), (0, GAP_PX), (0, 0))
    return np.concatenate(
        [np.concatenate([np.pad(picture, gap) for picture in row], 1) for row in rows]
    )
