# SPDX-License-Identifier: Apache-2.0
"""Inputs of the generator in training: noise, layouts and guides of crops.

A guide shows the same place at 256 px per tile: of the scan itself, or of the generator's own
coarse pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.material.canvas import COARSE_PX
from texgen_server.material.coarse_pass import guide_input, sample_torus
from texgen_server.networks.channels import BASECOLOR
from texgen_server.networks.material import MaterialGenerator
from texgen_server.networks.params import CELL_PX, MaterialParams
from texgen_server.precision.autocast import quick
from texgen_server.training.material.data import Batch, Pack

GAMMA = 2.2


def random_inputs(
    pack: Pack, batch: Batch, params: MaterialParams, random: torch.Generator, device: torch.device
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Return fresh noise and the layouts of a batch: start, layouts and noises as
    `MaterialGenerator.forward` takes them.
    """
    count, sizes = (
        len(batch.index),
        [batch.maps.shape[-1] // CELL_PX * 2**i for i in range(params.levels)],
    )
    start = torch.randn(count, params.noise_channels, sizes[0], sizes[0], generator=random).to(
        device
    )
    noises = [torch.randn(count, 1, n, n, generator=random).to(device) for n in sizes]
    return (
        start.contiguous(memory_format=torch.channels_last),
        pack.layouts(batch, sizes, device),
        noises,
    )


@dataclass
class Guide:
    """The guides of a batch of crops, and the part of them that crops must keep."""

    input: Tensor  # (B, 8, P / 2, P / 2) as the generator takes it
    coarse: Tensor  # (B, 7, p, p) the coarse maps' own pixels; p = P x 256 / density
    scanned: bool  # of the scan itself, so that the crop has a true counterpart


def scanned_guide(pack: Pack, batch: Batch) -> Guide:
    """Return guides from the scans, shrunk to 256 px per tile."""
    return _read(
        np.stack([pack.maps[COARSE_PX][i] for i in batch.index.tolist()]).astype(np.float32)
        / np.float32(65535.0),
        batch,
        scanned=True,
    )


@torch.no_grad()
def generated_guide(
    generator: MaterialGenerator, pack: Pack, batch: Batch, code: Tensor, random: torch.Generator
) -> Guide:
    """Return guides from the coarse pass of a generator: whole tiles of the same codes, with noise
    of their own.
    """
    whole = Batch(
        torch.zeros(len(batch.index), 7, COARSE_PX, COARSE_PX),
        batch.index,
        torch.zeros(len(batch.index), 2),
        1.0,
        COARSE_PX,
    )
    style = generator.mapping(
        code, torch.full((len(code), 1), math.log2(COARSE_PX) - 8.0, device=code.device)
    )
    with quick(code.device):
        maps = generator(style, *random_inputs(pack, whole, generator.params, random, code.device))
    return _read(maps.float().cpu().numpy(), batch, scanned=False)


def guide_error(maps: Tensor, guide: Guide) -> Tensor:
    """Return (B,): the distance of crops, averaged to the guide's pixels, from it; colours in
    linear light.

    A border is not judged.
    """
    coarse = guide.coarse.to(maps.device)
    small = F.adaptive_avg_pool2d(_linear(maps), coarse.shape[-1])
    border = max(1, coarse.shape[-1] // 16)
    return (small - _linear(coarse))[..., border:-border, border:-border].abs().mean((1, 2, 3))


def _linear(maps: Tensor) -> Tensor:
    return torch.cat([maps[:, BASECOLOR].clamp_min(1e-4) ** GAMMA, maps[:, BASECOLOR.stop :]], 1)


def _read(bases: NDArray[np.float32], batch: Batch, *, scanned: bool) -> Guide:
    """Return the guides that coarse maps (B, 7, 256, 256) of whole tiles give at the places of a
    batch's crops.
    """
    step = COARSE_PX / batch.density
    edge = batch.maps.shape[-1]
    fine = (np.arange(edge // 2) + 0.5) * (2.0 * step) - 0.5
    own = np.arange(round(edge * step), dtype=np.float64)
    corners = batch.origin_tiles.double().numpy() * COARSE_PX
    places = list(zip(bases, corners, strict=True))
    inputs = [guide_input(sample_torus(base, fine + y, fine + x)) for base, (y, x) in places]
    pixels = [sample_torus(base, own + y, own + x) for base, (y, x) in places]
    return Guide(torch.from_numpy(np.stack(inputs)), torch.from_numpy(np.stack(pixels)), scanned)
