# SPDX-License-Identifier: Apache-2.0
"""The discriminator: frozen features of two views, randomly mixed (Projected GAN), and a small one
on the raw maps.

It judges basecolor and relief together: the features of both views are concatenated at each tap, so
maps that do not belong together are caught. Used in training only; never shipped.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils.parametrizations import spectral_norm

from texgen_server.networks.channels import BASECOLOR, HEIGHT, METALLIC, ROUGHNESS
from texgen_server.networks.frozen_features import TAP_CHANNELS
from texgen_server.networks.material import normal_from_height

VIEWS = 2
MIXED_CHANNELS = (48, 48, 96, 160)
RAW_CHANNELS = 8


def make_views(maps: Tensor, scale_px: Tensor) -> tuple[Tensor, Tensor]:
    """Return two views of maps (B, 7, H, W), each (B, 3, H, W) in [-1, 1]: basecolor, and slope x,
    slope y, roughness.

    ``scale_px`` (B,) is the height range in px.
    """
    normal = normal_from_height(maps[:, HEIGHT, None], scale_px)
    slopes = torch.tanh(1.5 * normal[:, :2] / normal[:, 2:3].clamp_min(0.05))
    relief = torch.cat([slopes, maps[:, ROUGHNESS, None] * 2.0 - 1.0], 1)
    return maps[:, BASECOLOR] * 2.0 - 1.0, relief


def raw_channels(maps: Tensor, views: tuple[Tensor, Tensor]) -> Tensor:
    """Return all channels that the generator makes, (B, 8, H, W): both views, metallic, ambient
    occlusion.
    """
    return torch.cat([*views, maps[:, METALLIC:] * 2.0 - 1.0], 1)


class FeatureMixing(nn.Module):
    """Fixed random mixing of channels and scales of the frozen taps, so that no tap can be fooled
    alone.
    """

    def __init__(self) -> None:
        super().__init__()
        wide = [c * VIEWS for c in TAP_CHANNELS]
        self.channels = nn.ModuleList(
            nn.Conv2d(c, o, 1) for c, o in zip(wide, MIXED_CHANNELS, strict=True)
        )
        pairs = itertools.pairwise(MIXED_CHANNELS)
        self.scales = nn.ModuleList(nn.Conv2d(a + b, a, 3, padding=1) for a, b in pairs)
        for conv in [*self.channels, *self.scales]:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
            nn.init.zeros_(conv.bias)
        self.requires_grad_(requires_grad=False)

    def forward(self, taps: list[Tensor]) -> list[Tensor]:
        """Return four mixed maps (B, C', h, w) of taps of both views, stacked along the batch (2B,
        C, h, w).
        """
        joint = [torch.cat(tap.chunk(VIEWS), 1) for tap in taps]
        mixed = [conv(tap) for conv, tap in zip(self.channels, joint, strict=True)]
        for i in (2, 1, 0):
            finer = F.interpolate(
                mixed[i + 1], mixed[i].shape[-2:], mode="bilinear", align_corners=False
            )
            mixed[i] = self.scales[i](torch.cat([mixed[i], finer], 1))
        return mixed


class Head(nn.Module):
    """A patch discriminator on one mixed map, conditioned by projection on an embedding."""

    def __init__(self, channels: int, halvings: int, condition_dim: int, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(halvings):
            layers += [
                spectral_norm(nn.Conv2d(channels, width, 4, 2, 1)),
                nn.GroupNorm(8, width),
                nn.LeakyReLU(0.2),
            ]
            channels = width
        layers += [spectral_norm(nn.Conv2d(channels, width, 3, 1, 1)), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        self.score = spectral_norm(nn.Conv2d(width, 1, 3, 1, 1))
        self.match = spectral_norm(nn.Conv2d(width, condition_dim, 3, 1, 1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        x = self.body(x)
        matched = (self.match(x) * condition[:, :, None, None]).sum(1, keepdim=True) / math.sqrt(
            condition.shape[1]
        )
        out: Tensor = (self.score(x) + matched).flatten(1)
        return out


class Discriminator(nn.Module):
    """A discriminator with four feature heads and one head on raw channels; scores are (B, n) a
    head, higher is more real.
    """

    def __init__(
        self,
        materials: int,
        classes: int,
        densities: int,
        raw_channels: int = RAW_CHANNELS,
        condition_dim: int = 64,
    ) -> None:
        super().__init__()
        self.mixing = FeatureMixing()
        self.heads = nn.ModuleList(
            Head(channels, halvings, condition_dim)
            for channels, halvings in zip(MIXED_CHANNELS, (3, 2, 1, 0), strict=True)
        )
        self.material = nn.Embedding(
            materials + 1, condition_dim
        )  # the last one: "some member of the class"
        self.group = nn.Embedding(classes, condition_dim)
        self.density = nn.Embedding(densities, condition_dim)
        widths = ((raw_channels, 32), (32, 64), (64, 96))
        raw = [
            m
            for a, b in widths
            for m in (spectral_norm(nn.Conv2d(a, b, 4, 2, 1)), nn.LeakyReLU(0.2))
        ]
        self.raw = nn.Sequential(*raw, spectral_norm(nn.Conv2d(96, 1, 3, 1, 1)))

    def condition(self, material: Tensor, group: Tensor, density: int) -> Tensor:
        """Return the embedding (B, condition_dim) of material, class and density."""
        place = torch.full_like(group, density)
        out: Tensor = self.material(material) + self.group(group) + self.density(place)
        return out

    def forward(self, taps: list[Tensor], raw: Tensor, condition: Tensor) -> list[Tensor]:
        """Return the scores of all heads.

        ``taps`` come from `FrozenFeatures` on both views stacked along the batch, ``raw`` from
        `raw_channels`.
        """
        scores = [head(x, condition) for head, x in zip(self.heads, self.mixing(taps), strict=True)]
        return [*scores, self.raw(raw).flatten(1)]
