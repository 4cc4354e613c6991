# SPDX-License-Identifier: Apache-2.0
"""The codec of materials: nine maps <-> a grid of 32 small integers per 8 x 8 px cell.

The linear path is a block transform that starts as the Karhunen-Loeve transform of the training
scans; residual networks beside it start at zero, so the codec starts at the linear optimum. The
decoder is the generator: it paints re-laid latents, adds grain from white noise that no latent
holds, and mends the joins between patches. Every operation is local and commutes with a shift by
whole cells, so a torus of cells decodes to a torus of pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.channels import MAP_CHANNELS
from texgen_server.networks.layers import circular_pad, without_grid
from texgen_server.networks.params import GRID_PX
from texgen_server.precision.autocast import exact

CELL_PX = 8
MAPS = sum(MAP_CHANNELS.values())
"""Channels of a set, in the order of `MAP_CHANNELS`; a value is the deviation from the exemplar's
own mean, in units of half the channel's range.
"""
CHANNEL_WEIGHTS = (1.0, 1.0, 1.0, 0.7, 0.7, 0.5, 0.3, 0.5, 0.3)
"""Weight of an error of each channel: the transform, the quantiser and the loss work on weighted
deviations.
"""
STEP = 0.12
"""Quantiser step of every latent, in the weighted, orthonormal domain."""
LEAK = 0.1

ConvT = TypeVar("ConvT", bound=nn.Conv2d)
Border = Literal["circular", "zeros"]
"""Pixels beyond the edge: the opposite side of a torus, or zeros (for crops, whose border is
discarded).
"""


@dataclass(frozen=True)
class CodecParams:
    """Sizes of a codec; written into ``model.toml`` beside the weights."""

    latents: int = 32
    encoder_width: int = 128
    encoder_blocks: int = 3
    widths: tuple[int, int, int] = (128, 64, 32)
    """Channels of the decoder at 1/8, 1/4 and 1/2 of the resolution."""
    blocks: tuple[int, int, int] = (4, 2, 1)
    """Residual blocks at each of these resolutions."""
    noise_channels: int = 4
    """Channels of white noise that enters at 1/4 and at 1/2."""

    @property
    def halo_cells(self) -> int:
        """Number of cells around a place that its decoded pixels depend on."""
        cells = (
            1.0
            + 2.0 * (self.blocks[0] + self.blocks[1] / 2 + self.blocks[2] / 4)
            + (1 + GRID_PX // 2) / 4
        )
        return int(-(-cells // 1))


class BorderedConv(nn.Conv2d):
    """A 3 x 3 convolution whose border is chosen at each call."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3)

    def forward(self, x: Tensor, border: Border = "circular") -> Tensor:
        if border == "circular":
            return F.conv2d(circular_pad(x, 1), self.weight, self.bias)
        return F.conv2d(x, self.weight, self.bias, padding=1)


class ResidualBlock(nn.Module):
    """``x + conv(act(conv(act(x))))``, starting as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = BorderedConv(channels, channels)
        self.second = zeroed(BorderedConv(channels, channels))

    def forward(self, x: Tensor, border: Border) -> Tensor:
        hidden = self.first(F.leaky_relu(x, LEAK), border)
        out: Tensor = x + self.second(F.leaky_relu(hidden, LEAK), border)
        return out


def zeroed(conv: ConvT) -> ConvT:
    """Set weights and biases of a layer to zero and return it."""
    nn.init.zeros_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


class Encoder(nn.Module):
    """Maps (B, 9, 8 h, 8 w) -> latents (B, latents, h, w) in units of the quantiser step, not
    rounded.
    """

    weights: Tensor  # (1, 9, 1, 1)
    deviations: Tensor  # (1, latents, 1, 1)

    def __init__(self, params: CodecParams, basis: Tensor, deviations: Tensor) -> None:
        """``basis`` (latents, 9, 8, 8): orthonormal rows in the weighted domain; ``deviations``
        (latents,): of their coefficients.
        """
        super().__init__()
        self.basis = nn.Parameter(basis.clone())
        self.register_buffer("weights", torch.tensor(CHANNEL_WEIGHTS).view(1, -1, 1, 1))
        self.register_buffer("deviations", deviations.clone().view(1, -1, 1, 1))
        self.stem = nn.Conv2d(MAPS * CELL_PX**2, params.encoder_width, 1)
        self.blocks = nn.ModuleList(
            ResidualBlock(params.encoder_width) for _ in range(params.encoder_blocks)
        )
        self.head = zeroed(nn.Conv2d(params.encoder_width, params.latents, 1))

    def forward(self, maps: Tensor, border: Border = "circular") -> Tensor:
        weighted = maps * self.weights
        with exact(maps.device):
            linear = F.conv2d(weighted.float(), self.basis, stride=CELL_PX)
        hidden = self.stem(F.pixel_unshuffle(weighted, CELL_PX))
        for block in self.blocks:
            hidden = block(hidden, border)
        out: Tensor = (
            linear + self.head(F.leaky_relu(hidden, LEAK)).float() * self.deviations
        ) / STEP
        return out


class Decoder(nn.Module):
    """Latents (B, latents, h, w) in quantiser steps -> maps (B, 9, 8 h, 8 w):

    `linear` plus what the network adds.
    """

    weights: Tensor  # (1, 9, 1, 1)
    scale: Tensor  # (1, latents, 1, 1) from quantiser steps to about 1

    def __init__(self, params: CodecParams, basis: Tensor, deviations: Tensor) -> None:
        super().__init__()
        self.params = params
        eighth, quarter, half = params.widths
        self.basis = nn.Parameter(basis.clone())
        self.register_buffer("weights", torch.tensor(CHANNEL_WEIGHTS).view(1, -1, 1, 1))
        self.register_buffer("scale", (STEP / deviations).view(1, -1, 1, 1))
        self.stem = BorderedConv(params.latents, eighth)
        self.at_eighth = nn.ModuleList(ResidualBlock(eighth) for _ in range(params.blocks[0]))
        self.to_quarter = nn.Conv2d(eighth, 4 * quarter, 1)
        self.noise_quarter = zeroed(nn.Conv2d(params.noise_channels, quarter, 1, bias=False))
        self.at_quarter = nn.ModuleList(ResidualBlock(quarter) for _ in range(params.blocks[1]))
        self.to_half = nn.Conv2d(quarter, 4 * half, 1)
        self.noise_half = zeroed(nn.Conv2d(params.noise_channels, half, 1, bias=False))
        self.at_half = nn.ModuleList(ResidualBlock(half) for _ in range(params.blocks[2]))
        self.head = zeroed(BorderedConv(half, 4 * MAPS))

    def linear(self, latents: Tensor) -> Tensor:
        """Run the linear path alone, in float32: (B, 9, 8 h, 8 w)."""
        with exact(latents.device):
            return (
                F.conv_transpose2d(latents.float() * STEP, self.basis, stride=CELL_PX)
                / self.weights
            )

    def residual(
        self, latents: Tensor, noise: tuple[Tensor, Tensor] | None, border: Border = "circular"
    ) -> Tensor:
        """Run the network, whose output is added to `linear`: (B, 9, 8 h, 8 w) float32.

        ``noise``: standard normal (B, noise_channels, 2 h, 2 w) and (B, noise_channels, 4 h, 4 w);
        None for none.
        """
        x = self.stem(latents * self.scale, border)
        for block in self.at_eighth:
            x = block(x, border)
        x = F.pixel_shuffle(self.to_quarter(x), 2)
        if noise is not None:
            x = x + self.noise_quarter(noise[0])
        for block in self.at_quarter:
            x = block(x, border)
        x = F.pixel_shuffle(self.to_half(x), 2)
        if noise is not None:
            x = x + self.noise_half(noise[1])
        for block in self.at_half:
            x = block(x, border)
        fine = self.head(F.leaky_relu(x, LEAK), border).float()
        around = GRID_PX // 2
        padded = (
            circular_pad(fine, around)
            if border == "circular"
            else F.pad(fine, (around,) * 4, mode="replicate")
        )
        return F.pixel_shuffle(without_grid(fine, padded), 2) / self.weights

    def forward(
        self,
        latents: Tensor,
        noise: tuple[Tensor, Tensor] | None = None,
        border: Border = "circular",
    ) -> Tensor:
        return self.linear(latents) + self.residual(latents, noise, border)


class Codec(nn.Module):
    """Encoder and decoder that start from the same block transform."""

    def __init__(self, params: CodecParams, basis: Tensor, deviations: Tensor) -> None:
        super().__init__()
        self.params = params
        self.encoder = Encoder(params, basis, deviations)
        self.decoder = Decoder(params, basis, deviations)


def draw_noise(
    params: CodecParams, shape: tuple[int, int, int], device: torch.device, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Make white noise for a decode of ``shape`` (images, rows, columns in cells), with the
    generator ``random`` of the same device.
    """
    images, rows, columns = shape
    sizes = [(images, params.noise_channels, factor * rows, factor * columns) for factor in (2, 4)]
    quarter, half = (torch.randn(size, device=device, generator=random) for size in sizes)
    return quarter, half
