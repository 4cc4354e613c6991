# SPDX-License-Identifier: Apache-2.0
"""Pictures of scans beside decodes, lit, at 1:1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from texgen_server.networks.codec import Codec, draw_noise
from texgen_server.training.codec.pixels import UNIT, PictureSet
from texgen_server.training.exemplars.prepare import NORMAL
from texgen_server.training.exemplars.sheet import lit

GAP_PX = 4
CROP_PX = 256
"""Edge of the part of a picture that a sheet shows."""
MAX_ROWS = 8


def to_maps(deviations: Tensor, pictures: PictureSet, row: int) -> NDArray[np.float32]:
    """Return deviations (1, 9, H, W) as maps (H, W, 9) of an exemplar, constants restored."""
    values = deviations * pictures.known[row].view(1, -1, 1, 1) * UNIT + pictures.means[row].view(
        1, -1, 1, 1
    )
    maps: NDArray[np.float32] = np.clip(
        values[0].permute(1, 2, 0).float().cpu().numpy() / np.float32(2.0 * UNIT), 0.0, 1.0
    )
    maps[..., NORMAL] = maps[..., NORMAL] * 2.0 - 1.0
    return maps


def crop_lit(deviations: Tensor, pictures: PictureSet, row: int, size_px: int) -> NDArray[np.uint8]:
    """Return the upper left corner of a decode (1, 9, H, W), lit."""
    return lit(to_maps(deviations[..., :size_px, :size_px], pictures, row))


def sheet(rows: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Join rows of equally large pictures, with gaps between them."""
    gap = ((0, GAP_PX), (0, GAP_PX), (0, 0))
    return np.concatenate(
        [np.concatenate([np.pad(picture, gap) for picture in row], 1) for row in rows]
    )


@torch.no_grad()
def write_sheet(
    codec: Codec, pictures: PictureSet, rows: list[int], path: Path, noise_seed: int | None
) -> None:
    """Write a picture of scans beside their decodes at 1:1, lit, of evenly chosen pictures."""
    lines = []
    for row in rows[:: max(1, len(rows) // MAX_ROWS)][:MAX_ROWS]:
        maps = pictures.whole(row) * pictures.known[row].view(1, -1, 1, 1)
        latents = codec.encoder(maps).round()
        noise = None
        if noise_seed is not None:
            random = torch.Generator(pictures.device).manual_seed(noise_seed)
            noise = draw_noise(codec.params, (1, *latents.shape[2:]), pictures.device, random)
        made = codec.decoder(latents, noise)
        lines.append([crop_lit(m, pictures, row, CROP_PX) for m in (maps, made)])
    Image.fromarray(sheet(lines)).save(path)
