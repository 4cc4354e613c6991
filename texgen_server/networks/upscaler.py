# SPDX-License-Identifier: Apache-2.0
"""The upscaler: x2 and x4, all maps of a material at once; and x1, which cleans.

A compact body of plain convolutions at the small size, one head for each scale, and their output is
added to a bicubic enlargement (at x1: to the maps themselves). Without biases a network also
removes noise that is stronger or weaker than in training (Mohan et al. 2020). Two properties hold
by construction. There is no bias anywhere and the body's input is the difference from the local
mean, so *flat stays flat*. And the local mean of the added values is subtracted, so the *mean
stays*. Every map is normalised by its own local contrast, and the added values are in those units
too: a faint map is enlarged as well as a strong one, and nothing of a strong one leaks into a faint
one. Nothing here pads the torus: the caller gives a border of ``params.halo_px`` pixels (wrapped,
mirrored, or taken over the pole), and the result's is discarded.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.channels import CLEAN_SCALE, MAP_CHANNELS, SCALES
from texgen_server.networks.params import (
    CLEAN_MEAN_PX,
    CONTRAST_PX,
    LEAST_CONTRAST,
    MEAN_PX,
    UPSCALER_CHANNELS,
    USUAL_CONTRAST,
    UpscalerParams,
    bicubic_kernel,
)
from texgen_server.precision.autocast import exact


class Upscaler(nn.Module):
    """Maps (B, 9, h, w) -> the difference from a bicubic enlargement, (B, 9 s^2, h, w), for each
    scale s.
    """

    def __init__(self, params: UpscalerParams) -> None:
        super().__init__()
        self.params = params
        self.stem = _conv(UPSCALER_CHANNELS, params.width)
        self.body = nn.ModuleList(
            _conv(params.width, params.width, gain=0.5) for _ in range(params.depth)
        )
        self.slopes = nn.ModuleList(nn.PReLU(params.width) for _ in range(params.depth))
        self.heads = nn.ModuleDict(
            {
                f"x{s}": _conv(params.width, UPSCALER_CHANNELS * s * s, gain=0.01)
                for s in (CLEAN_SCALE, *SCALES)
            }
        )

    def residual(self, detail: Tensor, scale: int) -> tuple[Tensor, Tensor]:
        """Compute, from the detail of `detail32`, the values to add to each of the s x s pixels
        that a pixel becomes, in the order of pixel-shuffle, and their mean, both in units of the
        contrast: (B, 9 s^2, h, w) and (B, 9, h, w).
        """
        return self.found(self.features(detail), scale, padding=1)

    def features(self, detail: Tensor) -> Tensor:
        """Compute the input of the heads from the detail of `detail32`: (B, width, h, w)."""
        x = first = self.stem(detail)
        for i in range(0, self.params.depth, 2):
            y = self.body[i](self.slopes[i](x))
            x = x + self.body[i + 1](self.slopes[i + 1](y))
        result: Tensor = x + first
        return result

    def found(self, features: Tensor, scale: int, padding: int) -> tuple[Tensor, Tensor]:
        """Apply the head of a scale: as `residual`; without padding one px less on each side."""
        head = cast("nn.Conv2d", self.heads[f"x{scale}"]).weight
        mean = F.conv2d(
            features, head.unflatten(0, (UPSCALER_CHANNELS, scale * scale)).mean(1), padding=padding
        )
        return F.conv2d(features, head, padding=padding), mean

    def forward(self, maps: Tensor, scale: int) -> Tensor:
        """Enlarge maps (B, 9, h, w) to (B, 9, s h, s w) float32, not clipped.

        A border of ``params.halo_px`` times the scale is to be cut.
        """
        detail, contrast = detail32(maps)
        return compose32(maps, contrast, *self.residual(detail, scale), scale)


def detail32(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return maps less their local mean in units of their contrast, and the contrast over
    `USUAL_CONTRAST`: (B, 9, h, w) each.

    In float32: in half the precision a smooth map's detail would drown in rounding.
    """
    with exact(maps.device):
        detail = maps.float() - local_mean(maps.float())
        squares = [
            own.square().mean(1, keepdim=True)
            for own in detail.split(list(MAP_CHANNELS.values()), 1)
        ]
        contrasts = local_mean(torch.cat(squares, 1), CONTRAST_PX).sqrt()
        contrast = torch.cat(
            [
                contrasts[:, i : i + 1].expand(-1, n, -1, -1)
                for i, n in enumerate(MAP_CHANNELS.values())
            ],
            1,
        )
        return detail * (USUAL_CONTRAST / (contrast + LEAST_CONTRAST)), contrast * (
            1.0 / USUAL_CONTRAST
        )


def compose32(maps: Tensor, contrast: Tensor, residual: Tensor, mean: Tensor, scale: int) -> Tensor:
    """Add the output of `Upscaler.residual` to the bicubic enlargement, in float32 whatever the
    precision of the body: heights have 16 bits.
    """
    with exact(maps.device):
        around = local_mean(
            mean.float() * contrast, CLEAN_MEAN_PX if scale == CLEAN_SCALE else MEAN_PX
        )
        blocks = (
            residual.float().unflatten(1, (UPSCALER_CHANNELS, scale * scale)) * contrast[:, :, None]
            - around[:, :, None]
        )
        return F.pixel_shuffle(bicubic(maps.float(), scale) + torch.flatten(blocks, 1, 2), scale)


def local_mean(maps: Tensor, window_px: int = MEAN_PX) -> Tensor:
    """Compute the mean over a window; at the border over the pixels inside.

    Down, then across: the number of taps is the sum of the edges instead of their product.
    """
    half = window_px // 2
    down = F.avg_pool2d(maps, (window_px, 1), 1, (half, 0), count_include_pad=False)
    return F.avg_pool2d(down, (1, window_px), 1, (0, half), count_include_pad=False)


def bicubic(maps: Tensor, scale: int) -> Tensor:
    """Interpolate (Keys' bicubic, a = -0.5), before pixel-shuffle: (B, C, h, w) -> (B, C s^2, h,
    w).
    """
    count = maps.shape[1]
    kernel = (
        torch.from_numpy(bicubic_kernel(scale)).to(maps).repeat(count, 1, 1, 1)
    )  # (C s^2, 1, 5, 5)
    return F.conv2d(maps, kernel, padding=2, groups=count)


def _conv(channels_in: int, channels_out: int, gain: float = 1.0) -> nn.Conv2d:
    conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
    nn.init.normal_(conv.weight, 0.0, gain * math.sqrt(2.0 / (channels_in * 9)))
    return conv
