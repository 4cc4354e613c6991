# SPDX-License-Identifier: Apache-2.0
"""Sample grids: what the EMA generator makes of some training materials, beside the real ones."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from texgen.render.shading import render_lit
from texgen_server.material.canvas import COARSE_PX
from texgen_server.networks.material import normal_from_height
from texgen_server.precision.autocast import quick
from texgen_server.training.material.data import Batch
from texgen_server.training.material.inputs import draw_fields, generated_guide
from texgen_server.training.material.loop import Trainer


@torch.no_grad()
def generate_like(trainer: Trainer, batch: Batch, seed: int) -> Tensor:
    """EMA counterparts of a batch: same materials, layout and size, noise from ``seed``.

    (B, 7, S, S).
    """
    random = torch.Generator().manual_seed(seed)
    device = trainer.device
    code = trainer.ema_codes.table[batch.index]
    log2_density = torch.full((len(code), 1), math.log2(batch.density / 256), device=device)
    style = trainer.ema_generator.mapping(code, log2_density)
    start, layouts, noises = draw_fields(trainer.pack, batch, trainer.config.params, random, device)
    guide = (
        generated_guide(trainer.ema_generator, trainer.pack, batch, code, random).input.to(device)
        if batch.density > COARSE_PX
        else None
    )
    with quick(device):
        maps: Tensor = trainer.ema_generator(style, start, layouts, noises, guide)
    return maps


def lit(maps: Tensor, scale_px: Tensor) -> list[NDArray[np.uint8]]:
    """Render each of (B, 7, S, S) maps with its derived normal."""
    normal = normal_from_height(maps[:, 3:4], scale_px).permute(0, 2, 3, 1).cpu().numpy()
    planes = maps.permute(0, 2, 3, 1).cpu().numpy()
    return [
        render_lit(p[..., :3], n, p[..., 4], p[..., 5], p[..., 6])
        for p, n in zip(planes, normal, strict=True)
    ]


def save_grid(trainer: Trainer, path: Path, size_px: int, density: int, columns: int = 16) -> None:
    """Rows: real basecolor, generated, real lit, generated lit.

    One column a material, spread over the classes.
    """
    random = torch.Generator().manual_seed(3)
    first: dict[str, list[int]] = {}
    for i in trainer.train_index.tolist():
        first.setdefault(trainer.pack.classes[i], []).append(i)
    ordered = [m[0] for m in sorted(first.values(), key=len, reverse=True)] + [
        m[-1] for m in first.values()
    ]
    index = torch.tensor(ordered[: columns * 2])
    rows = []
    for part in index.split(columns):
        batch = trainer.pack.crop(part, density, size_px, random)
        fake = generate_like(trainer, batch, seed=5)
        scale = trainer.relief[part] * density
        rows += [
            _strip(_colours(batch.maps)),
            _strip(_colours(fake)),
            _strip(lit(batch.maps, scale)),
            _strip(lit(fake, scale)),
        ]
    Image.fromarray(np.concatenate(rows, 0)).save(path)


def _colours(maps: Tensor) -> list[NDArray[np.uint8]]:
    return list((maps[:, :3].clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())


def _strip(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.concatenate(
        [np.pad(p, ((0, 3), (0, 3), (0, 0)), constant_values=255) for p in pictures], 1
    )
