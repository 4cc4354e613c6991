# SPDX-License-Identifier: Apache-2.0
"""The estimator: from the maps that a texture has to those that it lacks, on the torus, at a
quarter of a megapixel or less.

A small U-Net with circular convolutions. A summary of the whole picture (and its class, where one
is given) shifts every place of the coarsest level, so that rough materials come out rough
everywhere. Its input says which maps are there; its output for those is not used.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.channels import ESTIMATE_MULTIPLE_PX, MAP_CHANNELS
from texgen_server.networks.layers import CircularConv, upsample
from texgen_server.networks.params import (
    DETAIL_GAIN,
    ESTIMATOR_INPUTS,
    ESTIMATOR_OUTPUTS,
    GROUPS,
    LEVEL_GAIN,
    SLOPE_GAIN,
    EstimatorParams,
)

FIRST_LEVELS = (0.0, 0.0, 0.56, 0.1, 0.5, 0.9)
"""Levels at the start of training: about the mean of all materials."""
LEVEL_DROPOUT = 0.4
"""Dropout of the picture's summary in training: without it a few hundred materials are soon
recognised by it.
"""


class _Stage(nn.Sequential):
    """A convolution and a normalisation of its features over the whole picture."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            CircularConv(channels_in, channels_out), nn.GroupNorm(GROUPS, channels_out)
        )


class _Block(nn.Module):
    """Two convolutions with a skip and a normalisation of the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _Stage(width, width), CircularConv(width, width, gain=0.5)
        self.norm = nn.GroupNorm(GROUPS, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x + self.second(F.leaky_relu(self.first(x), 0.2)))
        return F.leaky_relu(out, 0.2)


class Estimator(nn.Module):
    """Maps and their presence (B, 15, H, W), class shares (B, K) -> maps (B, 6, H, W): slopes in
    units, the others about [0, 1], not clipped.

    A map is its level, of the whole picture, plus detail without a mean, so that neither is learned
    at the other's cost.
    """

    def __init__(self, params: EstimatorParams) -> None:
        super().__init__()
        self.params, widths = params, params.widths
        assert ESTIMATE_MULTIPLE_PX % 2 ** len(widths) == 0, (
            "a picture must halve down to the coarsest level"
        )
        self.stem = _Stage(ESTIMATOR_INPUTS * 4, widths[0])
        self.down_blocks = nn.ModuleList(_Block(w) for w in widths)
        self.downs = nn.ModuleList(_Stage(4 * a, b) for a, b in pairwise(widths))
        self.whole = nn.Sequential(
            nn.Linear(2 * widths[-1] + params.classes, widths[-1]), nn.LeakyReLU(0.2)
        )
        self.forget = nn.Dropout(LEVEL_DROPOUT)
        self.shift = nn.Linear(widths[-1], widths[-1])
        self.level = nn.Linear(widths[-1], ESTIMATOR_OUTPUTS)
        with torch.no_grad():
            self.level.bias.copy_(torch.tensor(FIRST_LEVELS) / LEVEL_GAIN)
        self.class_level = nn.Linear(params.classes, ESTIMATOR_OUTPUTS, bias=False)
        nn.init.zeros_(self.class_level.weight)
        self.ups = nn.ModuleList(_Stage(b + a, a) for a, b in pairwise(widths))
        self.up_blocks = nn.ModuleList(_Block(a) for a in widths[:-1])
        self.head = CircularConv(widths[0], ESTIMATOR_OUTPUTS * 4, gain=0.1)

    def forward(self, seen: Tensor, classes: Tensor) -> Tensor:
        count = len(MAP_CHANNELS)
        centred = torch.cat(
            [seen[:, :-count] - 0.25, seen[:, -count:] - 0.5], 1
        )  # about their means, so that detail stands out
        x, skips = self.stem(F.pixel_unshuffle(centred, 2)), []
        for i, block in enumerate(self.down_blocks):
            x = block(x)
            if i < len(self.downs):
                skips.append(x)
                x = self.downs[i](F.pixel_unshuffle(x, 2))
        whole = self.whole(
            torch.cat([self.forget(x.mean((2, 3))), self.forget(x.std((2, 3))), classes], 1)
        )
        x = x + self.shift(whole)[:, :, None, None]
        for i in reversed(range(len(self.ups))):
            x = self.up_blocks[i](self.ups[i](torch.cat([upsample(x), skips[i]], 1)))
        level = LEVEL_GAIN * self.level(whole) + self.class_level(classes)
        detail = F.pixel_shuffle(self.head(x), 2).float()
        detail = DETAIL_GAIN * (detail - detail.mean((2, 3), keepdim=True))
        return torch.cat([SLOPE_GAIN * detail[:, :2], detail[:, 2:] + level[:, 2:, None, None]], 1)
