# SPDX-License-Identifier: Apache-2.0
"""Sample grids: output of the averaged generator for some training materials, beside the scans."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from texgen.maps import from_unit
from texgen.render.shading import render_lit
from texgen_server.material.canvas import COARSE_PX
from texgen_server.networks.channels import AO, BASECOLOR, HEIGHT, METALLIC, ROUGHNESS
from texgen_server.networks.material import normal_from_height
from texgen_server.precision.autocast import quick
from texgen_server.training.material.data import Batch
from texgen_server.training.material.inputs import generated_guide, random_inputs
from texgen_server.training.material.trainer import MaterialTrainer


@torch.no_grad()
def generate_like(trainer: MaterialTrainer, batch: Batch, seed: int) -> Tensor:
    """Return counterparts of a batch from the averaged generator, (B, 7, S, S): the same materials,
    layout and size, noise from ``seed``.
    """
    random = torch.Generator().manual_seed(seed)
    device = trainer.device
    code = trainer.ema_codes.table[batch.index]
    log2_density = torch.full((len(code), 1), math.log2(batch.density / 256), device=device)
    style = trainer.ema_generator.mapping(code, log2_density)
    start, layouts, noises = random_inputs(
        trainer.pack, batch, trainer.config.params, random, device
    )
    guide = (
        generated_guide(trainer.ema_generator, trainer.pack, batch, code, random).input.to(device)
        if batch.density > COARSE_PX
        else None
    )
    with quick(device):
        maps: Tensor = trainer.ema_generator(style, start, layouts, noises, guide)
    return maps


def lit(maps: Tensor, scale_px: Tensor) -> list[NDArray[np.uint8]]:
    """Render each of (B, 7, S, S) maps in [0, 1] with its derived normal; ``scale_px`` (B,) is the
    height range in px.
    """
    normal = normal_from_height(maps[:, HEIGHT, None], scale_px).permute(0, 2, 3, 1).cpu().numpy()
    planes = maps.permute(0, 2, 3, 1).cpu().numpy()
    return [
        render_lit(p[..., BASECOLOR], n, p[..., ROUGHNESS], p[..., METALLIC], p[..., AO])
        for p, n in zip(planes, normal, strict=True)
    ]


def save_grid(
    trainer: MaterialTrainer, path: Path, size_px: int, density: int, columns: int = 16
) -> None:
    """Write a grid with rows of real basecolor, generated, real lit and generated lit.

    It has a column for each of ``2 columns`` materials, spread over the classes.
    """
    random = torch.Generator().manual_seed(3)
    first: dict[str, list[int]] = {}
    for i in trainer.sampler.train_index.tolist():
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
            _strip(_basecolors(batch.maps)),
            _strip(_basecolors(fake)),
            _strip(lit(batch.maps.to(trainer.device), scale)),
            _strip(lit(fake, scale)),
        ]
    Image.fromarray(np.concatenate(rows, 0)).save(path)


def _basecolors(maps: Tensor) -> list[NDArray[np.uint8]]:
    """Return the basecolor of each of (B, 7, S, S) maps as (S, S, 3)."""
    colors = maps[:, BASECOLOR].permute(0, 2, 3, 1).cpu().numpy()
    return list(from_unit(colors, np.uint8, half_to_even=True))


def _strip(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.concatenate(
        [np.pad(p, ((0, 3), (0, 3), (0, 0)), constant_values=255) for p in pictures], 1
    )
