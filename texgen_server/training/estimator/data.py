# SPDX-License-Identifier: Apache-2.0
"""Whole tiles of a pack -> what the estimator sees and what it has to say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from texgen_server.networks.channels import ESTIMATE_PX, ESTIMATED, MAP_CHANNELS, SLOPE_UNIT
from texgen_server.training.material.data import Pack

MAPS = tuple(MAP_CHANNELS)
KEPT_SHARE = 0.3
"""How often a map other than the basecolor is there in training."""
NO_COLOR_SHARE = 0.05
CLASS_SHARE = 0.5
"""How often the class is told in training."""


@dataclass
class Tiles:
    """Whole tiles with all maps as channels, in the order of `MAP_CHANNELS`."""

    maps: Tensor  # (B, 9, size, size)
    classes: Tensor  # (B, K)


class TileSource:
    """The materials of a pack, whole tiles."""

    def __init__(self, pack: Pack, class_names: list[str]) -> None:
        self.pack, self.class_names = pack, class_names
        rows = [class_names.index(c) if c in class_names else -1 for c in pack.classes]
        self.class_rows = torch.tensor(rows)

    def whole(self, index: int, size_px: int = ESTIMATE_PX) -> Tensor:
        """(9, size, size) of one material, as it lies in the pack."""
        stored = torch.from_numpy(self.pack.maps[size_px][index].astype(np.float32)) / 65535.0
        return _all_maps(stored, float(self.pack.relief[index]) * size_px)

    def classes(self, index: Tensor) -> Tensor:
        """(B, K) ones at the materials' classes."""
        rows = self.class_rows[index]
        return (
            torch.nn.functional.one_hot(rows.clamp_min(0), len(self.class_names)).float()
            * (rows >= 0)[:, None]
        )

    def random(self, index: Tensor, size_px: int, random: torch.Generator) -> Tiles:
        """Rolled, flipped, turned, recoloured."""
        maps = [_moved(self.whole(material, size_px), random) for material in index.tolist()]
        told = torch.rand(len(index), 1, generator=random) < CLASS_SHARE
        return Tiles(torch.stack(maps), self.classes(index) * told)


def _all_maps(stored: Tensor, relief_px: float) -> Tensor:
    """(7, H, W) of a pack and the px of white over black -> (9, H, W): slopes by central
    differences.
    """
    height = stored[3] * relief_px
    right, down = (
        (torch.roll(height, -1, axis) - torch.roll(height, 1, axis)) * 0.5 / SLOPE_UNIT
        for axis in (1, 0)
    )
    return torch.cat([stored[:3], right[None], down[None], stored[4:6], stored[3:4], stored[6:]])


def _moved(maps: Tensor, random: torch.Generator) -> Tensor:
    down, right = torch.randint(maps.shape[1], (2,), generator=random).tolist()
    maps = torch.roll(maps, (down, right), (1, 2))
    flip_x, flip_y, swap = (torch.rand(3, generator=random) < 0.5).tolist()
    sign = torch.ones(9, 1, 1)
    if flip_x:
        maps, sign[3] = maps.flip(2), -1.0
    if flip_y:
        maps, sign[4] = maps.flip(1), -1.0
    maps = maps * sign
    maps = maps.transpose(1, 2)[[0, 1, 2, 4, 3, 5, 6, 7, 8]].contiguous() if swap else maps.clone()
    gain = 1.0 + 0.1 * torch.randn(3, 1, 1, generator=random)
    maps[:3] = (maps[:3] * gain + 0.03 * torch.randn(1, generator=random)).clamp(0.0, 1.0)
    return maps


def random_presence(count: int, random: torch.Generator) -> Tensor:
    """(B, 6) 1 where a map is there; never all, never none."""
    there = (torch.rand(count, len(MAPS), generator=random) < KEPT_SHARE).float()
    there[:, 0] = (torch.rand(count, generator=random) >= NO_COLOR_SHARE).float()
    empty = there.sum(1) == 0
    there[empty, MAPS.index("height")] = 1.0
    there[there.sum(1) == len(MAPS), MAPS.index("roughness")] = 0.0
    return there


def seen_input(maps: Tensor, there: Tensor) -> Tensor:
    """Maps (B, 9, H, W) and presence (B, 6) -> what the network takes (B, 15, H, W)."""
    shown = torch.cat(
        [there[:, i : i + 1].expand(-1, MAP_CHANNELS[name]) for i, name in enumerate(MAPS)], 1
    )
    marks = there[:, :, None, None].expand(-1, -1, *maps.shape[2:])
    return torch.cat([maps * shown[:, :, None, None], marks], 1)


def targets(maps: Tensor) -> Tensor:
    """(B, 9, H, W) -> the channels that the network makes, (B, 6, H, W)."""
    return maps[:, sum(MAP_CHANNELS[name] for name in MAPS if name not in ESTIMATED) :]
