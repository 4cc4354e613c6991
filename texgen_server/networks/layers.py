# SPDX-License-Identifier: Apache-2.0
"""Layers that commute with a roll of the torus.

Every operation here maps a periodic image to a periodic image: circular padding, pointwise
functions, and a x2 upsampling with a circular blur. Nothing in this file knows where in the image
it is, which is why results tile exactly at any size.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.params import GRID_PX

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def channels_last(module: ModuleT) -> ModuleT:
    """Bring the 4-d weights of a module into channels-last order, several times faster in half the
    precision on a CPU; returns the module.
    """
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


class _CircularPad(torch.autograd.Function):
    """Circular padding by copies.

    The backward pass of ``F.pad(mode="circular")`` is about ten times slower on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, pad_px: int) -> Tensor:
        ctx.pad_px = p = pad_px
        batch, channels, height, width = x.shape
        out = torch.empty(
            (batch, channels, height + 2 * p, width + 2 * p),
            dtype=x.dtype,
            device=x.device,
            memory_format=torch.channels_last,
        )
        out[..., p:-p, p:-p] = x
        out[..., p:-p, :p] = x[..., -p:]
        out[..., p:-p, -p:] = x[..., :p]
        out[..., :p, :] = out[..., -2 * p : -p, :].clone()
        out[..., -p:, :] = out[..., p : 2 * p, :].clone()
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        p, grad = ctx.pad_px, grads[0]
        rows = grad[..., p:-p, :].clone(memory_format=torch.channels_last)
        rows[..., :p, :] += grad[..., -p:, :]
        rows[..., -p:, :] += grad[..., :p, :]
        out = rows[..., p:-p].contiguous(memory_format=torch.channels_last)
        out[..., :p] += rows[..., -p:]
        out[..., -p:] += rows[..., :p]
        return out, None


def circular_pad(x: Tensor, pad_px: int) -> Tensor:
    """Pad (B, C, H, W) by ``pad_px`` on each side with the pixels of the opposite side.

    Where no gradient is wanted the same pad is written as concatenations.
    """
    if not torch.is_grad_enabled():
        x = torch.cat([x[..., -pad_px:], x, x[..., :pad_px]], 3)
        return torch.cat([x[..., -pad_px:, :], x, x[..., :pad_px, :]], 2)
    out: Tensor = _CircularPad.apply(x, pad_px)
    return out


def upsample(x: Tensor, scale: int = 2) -> Tensor:
    """Upsample bilinearly on the torus: (B, C, H, W) -> (B, C, scale H, scale W)."""
    padded = circular_pad(x, 1)
    out = F.interpolate(padded, scale_factor=float(scale), mode="bilinear", align_corners=False)
    return out[..., scale:-scale, scale:-scale]


def without_grid(fine: Tensor, padded: Tensor) -> Tensor:
    """Remove the mean difference of the four pixels of a pixel-shuffle from each other: (B, 4 C, h,
    w) -> the same shape.

    ``padded`` is the same with its surroundings, `params.GRID_PX` // 2 on each side. A head that
    gives one of the four a little more everywhere makes a grid of period 2. Differences that vary
    from place to place stay.
    """
    phases = fine.unflatten(1, (-1, 4))
    around = F.avg_pool2d(padded, GRID_PX, 1).unflatten(1, (-1, 4))
    return torch.flatten(phases - around + around.mean(2, keepdim=True), 1, 2)


class CircularConv(nn.Module):
    """3x3 convolution on the torus, He-initialised with ``gain``."""

    def __init__(self, channels_in: int, channels_out: int, gain: float = math.sqrt(2.0)) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3)
        nn.init.normal_(self.conv.weight, 0.0, gain / math.sqrt(channels_in * 9))
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(circular_pad(x, 1))
        return out


class StyleModulation(nn.Module):
    """Per-pixel normalisation over channels, then the style's affine: ``(1 + gamma(w)) x / rms(x) +
    beta(w)``.
    """

    def __init__(self, channels: int, style_dim: int) -> None:
        super().__init__()
        self.affine = nn.Linear(style_dim, 2 * channels)
        nn.init.normal_(self.affine.weight, 0.0, 1.0 / math.sqrt(style_dim))
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor, style: Tensor, share: Tensor | None = None) -> Tensor:
        """Modulate x by ``style`` (B, D), one for each image; or by (B, K, D) with the share (B, K,
        h, w) of each of K styles in every pixel of x.
        """
        x = x * torch.rsqrt((x * x).mean(1, keepdim=True) + 1e-5)
        affine = self.affine(style)
        if share is None:
            gamma, beta = affine[:, :, None, None].chunk(2, 1)
        else:
            mixed = (
                torch.matmul(share.flatten(2).transpose(1, 2), affine)
                .transpose(1, 2)
                .unflatten(2, share.shape[2:])
            )  # channels last
            gamma, beta = mixed.chunk(2, 1)
        return torch.addcmul(beta, x, 1.0 + gamma)
