# SPDX-License-Identifier: Apache-2.0
"""The linear head: matrices from latents to maps at 1, 2 and 4 px a side per cell, fitted to
shrunken full decodes. Previews need no network.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.codec import CELL_PX, MAPS, Codec, draw_noise
from texgen_server.training.codec.pixels import PictureSet

PREVIEW_PX = (1, 2, 4)
"""Edges in pixels of a cell in previews."""
RIDGE = 1e-3
"""Ridge of the fit over the mean diagonal; it steadies the fit where a latent is nearly always
zero.
"""


@torch.no_grad()
def fit_linear_head(
    codec: Codec, pictures: PictureSet, rows: list[int], seed: int = 1
) -> dict[int, Tensor]:
    """Fit by least squares over whole decodes: for each of `PREVIEW_PX` a matrix (n, 9 p^2), from
    latents in quantiser steps to deviations.
    """
    count = codec.params.latents
    products = torch.zeros(count, count, dtype=torch.float64)
    targets = {p: torch.zeros(count, MAPS * p * p, dtype=torch.float64) for p in PREVIEW_PX}
    for row in rows:
        known = pictures.known[row].view(1, -1, 1, 1)
        latents = codec.encoder(pictures.whole(row) * known).round()
        random = torch.Generator(pictures.device).manual_seed(seed)
        made = (
            codec.decoder(
                latents, draw_noise(codec.params, (1, *latents.shape[2:]), pictures.device, random)
            )
            * known
        )
        flat = latents[0].flatten(1).cpu().double()
        products += flat @ flat.T
        for px, target in targets.items():
            target += flat @ _cells(made, px).cpu().double()
    ridge = RIDGE * products.diagonal().mean() * torch.eye(count, dtype=torch.float64)
    return {
        px: torch.linalg.solve(products + ridge, target).float() for px, target in targets.items()
    }


def apply_linear_head(matrix: Tensor, latents: Tensor) -> Tensor:
    """Multiply latents (1, n, h, w) by a matrix (n, 9 p^2); returns deviations (1, 9, p h, p w)."""
    px = round((matrix.shape[1] / MAPS) ** 0.5)
    return F.pixel_shuffle(torch.einsum("bnhw,nk->bkhw", latents, matrix), px)


def _cells(maps: Tensor, px: int) -> Tensor:
    """Return each cell of maps (1, 9, 8 h, 8 w) shrunk to ``px`` a side, as (h w, 9 p^2) in the
    order of pixel-shuffle.
    """
    small = F.avg_pool2d(maps, CELL_PX // px)
    return F.pixel_unshuffle(small, px)[0].flatten(1).T
