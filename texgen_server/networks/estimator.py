# SPDX-License-Identifier: Apache-2.0
"""The estimator: from the maps that a texture has to those that it lacks, on the torus, at a quarter of a megapixel or less.

A small U-Net with circular convolutions. What the whole picture is made of (and its class, where one is told) shifts every place of the
coarsest level, so that rough things come out rough all over. It sees which maps are there; what it answers for those is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from texgen_server.channels import ESTIMATED, MAP_CHANNELS
from texgen_server.networks.layers import CircularConv, upsample

SEEN = sum(MAP_CHANNELS.values()) + len(MAP_CHANNELS)
"""Channels of the input: the maps, zero where missing, then for each map 1 where it is there."""
MADE = sum(MAP_CHANNELS[name] for name in ESTIMATED)
CLASS_GAIN = 10.0
"""Makes what a class says of itself be learned sooner than the rest."""


@dataclass(frozen=True)
class EstimatorParams:
    """Size of an estimator; written into ``model.toml`` beside the weights."""

    classes: int
    widths: tuple[int, ...] = (32, 64, 96, 128)
    """Of the levels, from half the picture's resolution down."""

    @property
    def multiple_px(self) -> int:
        """Edges of the picture are multiples of this."""
        return int(2 ** len(self.widths))


class _Block(nn.Module):
    """Two convolutions with a skip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = CircularConv(width, width), CircularConv(width, width, gain=0.5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(_active(self.first(_active(x))))
        return x + y


def _active(x: Tensor) -> Tensor:
    """Each pixel's features brought to one length, then a leaky ReLU, which no channel dies in."""
    return F.leaky_relu(x * torch.rsqrt((x * x).mean(1, keepdim=True) + 1e-4), 0.2)


class Estimator(nn.Module):
    """(maps and what is there (B, 15, H, W), class shares (B, K)) -> (B, 6, H, W): slopes in units, the others in [0, 1]."""

    def __init__(self, params: EstimatorParams) -> None:
        super().__init__()
        self.params, widths = params, params.widths
        self.stem = CircularConv(SEEN * 4, widths[0])
        self.down_blocks = nn.ModuleList(_Block(w) for w in widths)
        self.downs = nn.ModuleList(CircularConv(4 * a, b) for a, b in pairwise(widths))
        self.whole = nn.Sequential(nn.Linear(2 * widths[-1] + params.classes, widths[-1]), nn.LeakyReLU(0.2))
        self.shift = nn.Linear(widths[-1], widths[-1])
        self.level = nn.Linear(widths[-1], MADE)
        self.class_level = nn.Linear(params.classes, MADE, bias=False)
        nn.init.zeros_(self.class_level.weight)
        self.ups = nn.ModuleList(CircularConv(b + a, a) for a, b in pairwise(widths))
        self.up_blocks = nn.ModuleList(_Block(a) for a in widths[:-1])
        self.head = CircularConv(widths[0], MADE * 4, gain=0.1)

    def forward(self, seen: Tensor, classes: Tensor) -> Tensor:
        x, kept = self.stem(F.pixel_unshuffle(seen, 2)), []
        for i, block in enumerate(self.down_blocks):
            x = block(x)
            if i < len(self.downs):
                kept.append(x)
                x = self.downs[i](F.pixel_unshuffle(x, 2))
        active = _active(x)
        whole = self.whole(torch.cat([active.mean((2, 3)), active.std((2, 3)), classes], 1))
        x = x + self.shift(whole)[:, :, None, None]
        for i in reversed(range(len(self.ups))):
            x = self.up_blocks[i](self.ups[i](torch.cat([upsample(x), kept[i]], 1)))
        level = self.level(whole) + self.class_level(classes * CLASS_GAIN)
        out = F.pixel_shuffle(self.head(_active(x)), 2) + level[:, :, None, None]
        return torch.cat([out[:, :2], torch.sigmoid(out[:, 2:])], 1)
