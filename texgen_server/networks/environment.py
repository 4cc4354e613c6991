# SPDX-License-Identifier: Apache-2.0
"""The environment generator: from a small panorama of the light to a large one with its detail.

A style-modulated convolutional GAN as the material's (`networks.material`), but on the sphere:
convolutions wrap in azimuth and go over the poles; each pixel has its elevation as an input, and
none its azimuth, so a roll of the input rolls the output. The sky has a style of its own, the rest
of the panorama another one. Lights are not made by the network: they are analytic, and added to its
result.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.channels import RADIANCE, SKY
from texgen_server.networks.layers import CircularConv, StyleModulation, without_grid
from texgen_server.networks.params import CONDITIONING_CHANNELS, EnvironmentParams
from texgen_server.precision.autocast import exact


def _padded(x: Tensor) -> Tensor:
    top, bottom = (_other_side(row) for row in (x[:, :, :1], x[:, :, -1:]))
    x = torch.cat([top, x, bottom], 2)
    return torch.cat([x[..., -1:], x, x[..., :1]], 3)


def _other_side(row: Tensor) -> Tensor:
    """Turn a row of pixels by half the world; twice gives the row again."""
    half = row.shape[3] // 2
    return torch.cat([row[..., half:], row[..., :half]], 3)


class _PanoramaPad(torch.autograd.Function):
    """Implements `panorama_pad` for training.

    Autograd would add up one tensor as large as the whole for each of its slices.
    """

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return _padded(x)

    @staticmethod
    def backward(_: Any, *grads: Tensor) -> Tensor:
        rows = grads[0][..., 1:-1].clone(memory_format=torch.channels_last)
        rows[..., -1:] += grads[0][..., :1]
        rows[..., :1] += grads[0][..., -1:]
        out = rows[:, :, 1:-1]
        out[:, :, :1] += _other_side(rows[:, :, :1])
        out[:, :, -1:] += _other_side(rows[:, :, -1:])
        return out


def panorama_pad(x: Tensor) -> Tensor:
    """Pad (B, C, H, W) by one pixel on each side: round the world in azimuth, over the poles in
    elevation.
    """
    if not torch.is_grad_enabled():
        return _padded(x)
    out: Tensor = _PanoramaPad.apply(x)
    return out


class PanoramaConv(CircularConv):
    """A 3x3 convolution on the panorama."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(panorama_pad(x))
        return out


def enlarged(x: Tensor, scale: int = 2) -> Tensor:
    """Enlarge a panorama bilinearly: (B, C, H, W) -> (B, C, scale H, scale W)."""
    return F.interpolate(
        panorama_pad(x), scale_factor=float(scale), mode="bilinear", align_corners=False
    )[..., scale:-scale, scale:-scale]


class _Block(nn.Module):
    """Two modulated convolutions at one resolution, with conditioning and noise added, and a
    residual skip.
    """

    def __init__(self, channels_in: int, channels_out: int, style_dim: int, *, grow: bool) -> None:
        super().__init__()
        self.grow = grow
        self.conv1, self.conv2 = (
            PanoramaConv(channels_in, channels_out),
            PanoramaConv(channels_out, channels_out),
        )
        self.style1, self.style2 = (
            StyleModulation(channels_out, style_dim),
            StyleModulation(channels_out, style_dim),
        )
        # named `plan` in the weights
        self.plan = nn.Conv2d(CONDITIONING_CHANNELS, channels_out, 1, bias=False)
        self.skip = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.noise_gain = nn.Parameter(torch.full((channels_out,), 0.1))
        nn.init.normal_(self.plan.weight, 0.0, 0.3)

    def forward(self, x: Tensor, style: Tensor, condition: Tensor, noise: Tensor) -> Tensor:
        if self.grow:
            x = enlarged(x)
        sky = condition[:, SKY : SKY + 1]
        share = torch.cat([sky, 1.0 - sky], 1)
        y = self.style1(self.conv1(x) + self.plan(condition), style, share)
        y = F.leaky_relu(y + noise * self.noise_gain[:, None, None], 0.2)
        y = F.leaky_relu(self.style2(self.conv2(y), style, share), 0.2)
        out: Tensor = (y + self.skip(x)) * 0.7071
        return out


class EnvironmentGenerator(nn.Module):
    """Codes, conditioning and noise -> a panorama with the detail that the small one lacks."""

    def __init__(self, params: EnvironmentParams) -> None:
        super().__init__()
        self.params, widths, dim = params, params.widths, params.style_dim
        self.mapping = nn.Sequential(
            nn.Linear(params.code_dim, dim), nn.LeakyReLU(0.2), nn.Linear(dim, dim)
        )
        self.stem = PanoramaConv(CONDITIONING_CHANNELS + params.noise_channels, widths[0], gain=1.0)
        pairs = zip((widths[0], *widths[:-1]), widths, strict=True)
        self.blocks = nn.ModuleList(_Block(a, b, dim, grow=i > 0) for i, (a, b) in enumerate(pairs))
        self.head = PanoramaConv(widths[-1], 3 * 4, gain=0.1)

    def forward(
        self, codes: Tensor, start: Tensor, conditions: list[Tensor], noises: list[Tensor]
    ) -> Tensor:
        """Generate a panorama.

        ``codes`` (B, 2, code_dim) of the sky and of the rest; ``start`` (B, noise_channels, L, 2 L)
        ~ N(0, 1), L as `EnvironmentParams.layout_rows`; for each level i ``conditions[i]`` (B, 8,
        2^i L, 2^(i+1) L), see `params.CONDITIONING_CHANNELS`, and ``noises[i]`` (B, 1, 2^i L,
        2^(i+1) L) ~ N(0, 1). Returns (B, 3, R, 2 R) log2 radiance in units of `channels.STOPS`, R
        as in `EnvironmentParams.rows`.
        """
        return self.head32(self.trunk(codes, start, conditions, noises), conditions[-1])

    def trunk(
        self, codes: Tensor, start: Tensor, conditions: list[Tensor], noises: list[Tensor]
    ) -> Tensor:
        """Run all but the head: -> features (B, C, R / 2, R)."""
        style: Tensor = self.mapping(codes)
        x: Tensor = self.stem(torch.cat([conditions[0], start], 1))
        for i, block in enumerate(self.blocks):
            x = block(x, style, conditions[i], noises[i])
        return x

    def head32(self, x: Tensor, condition: Tensor) -> Tensor:
        """Run the last convolution in float32, because radiance spans many stops."""
        with exact(x.device):
            conv = self.head.conv
            fine = F.conv2d(
                panorama_pad(x.float()),
                conv.weight.float(),
                None if conv.bias is None else conv.bias.float(),
            )
            fine = without_grid(fine, panorama_pad(panorama_pad(fine)))
            return F.pixel_shuffle(fine, 2) + enlarged(condition[:, RADIANCE].float())
