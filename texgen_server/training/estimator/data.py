# SPDX-License-Identifier: Apache-2.0
"""Training data of the estimator: whole tiles of a pack, its input and its targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from texgen.maps import MapKind, to_unit
from texgen_server.networks.channels import (
    ESTIMATE_PX,
    ESTIMATED,
    MAP_CHANNELS,
    SLOPE_UNIT,
    channel_slices,
)
from texgen_server.training.material.data import PACK_CHANNELS, Pack

MAPS = tuple(MAP_CHANNELS)
CHANNELS = channel_slices()
"""Map -> its channels in a tile."""
SLOPE_RIGHT, SLOPE_DOWN = CHANNELS["normal"].start, CHANNELS["normal"].start + 1
PRESENT_SHARE = 0.3
"""Share of training tiles that have a map other than the basecolor, for each map."""
NO_COLOR_SHARE = 0.05
"""Share of training tiles without a basecolor."""
CLASS_SHARE = 0.5
"""Share of training tiles with their class."""
GAIN_DEVIATION, OFFSET_DEVIATION = 0.1, 0.03
"""Deviations of the random gain of each colour and of the offset of all."""


@dataclass
class Tiles:
    """Whole tiles with all maps as channels, in the order of `MAP_CHANNELS`."""

    maps: Tensor  # (B, 9, size, size)
    classes: Tensor  # (B, K) ones at the classes; zeros where the class is not given


class TileSource:
    """The materials of a pack, whole tiles."""

    def __init__(self, pack: Pack, class_names: list[str]) -> None:
        self.pack, self.class_names = pack, class_names
        rows = [class_names.index(c) if c in class_names else -1 for c in pack.classes]
        self.class_rows = torch.tensor(rows)

    def whole(self, index: int, size_px: int = ESTIMATE_PX) -> Tensor:
        """Return all maps of one material (9, size, size) as they lie in the pack."""
        stored = torch.from_numpy(to_unit(self.pack.maps[size_px][index]))
        return _all_maps(stored, float(self.pack.relief[index]) * size_px)

    def classes(self, index: Tensor) -> Tensor:
        """Return (B, K), ones at the materials' classes."""
        rows = self.class_rows[index]
        return (
            torch.nn.functional.one_hot(rows.clamp_min(0), len(self.class_names)).float()
            * (rows >= 0)[:, None]
        )

    def random(self, index: Tensor, size_px: int, random: torch.Generator) -> Tiles:
        """Return tiles of materials, rolled, flipped, transposed and recoloured at random."""
        maps = [_augmented(self.whole(material, size_px), random) for material in index.tolist()]
        given = torch.rand(len(index), 1, generator=random) < CLASS_SHARE
        return Tiles(torch.stack(maps), self.classes(index) * given)


def _all_maps(stored: Tensor, relief_px: float) -> Tensor:
    """Return the maps (9, H, W) of a pack's channels (7, H, W) whose height spans ``relief_px``;
    slopes are central differences.
    """
    height = stored[PACK_CHANNELS[MapKind.HEIGHT]][0] * relief_px
    right, down = (
        (torch.roll(height, -1, axis) - torch.roll(height, 1, axis)) * 0.5 / SLOPE_UNIT
        for axis in (1, 0)
    )
    color, rough, metal, tall, ao = (
        stored[PACK_CHANNELS[kind]]
        for kind in (
            MapKind.BASECOLOR,
            MapKind.ROUGHNESS,
            MapKind.METALLIC,
            MapKind.HEIGHT,
            MapKind.AO,
        )
    )
    return torch.cat([color, right[None], down[None], rough, metal, tall, ao])


def _augmented(maps: Tensor, random: torch.Generator) -> Tensor:
    """Roll, flip, transpose and recolour a tile (9, H, W); its slopes turn with it."""
    down, right = torch.randint(maps.shape[1], (2,), generator=random).tolist()
    maps = torch.roll(maps, (down, right), (1, 2))
    flip_x, flip_y, swap = (torch.rand(3, generator=random) < 0.5).tolist()
    sign = torch.ones(len(maps), 1, 1)
    if flip_x:
        maps, sign[SLOPE_RIGHT] = maps.flip(2), -1.0
    if flip_y:
        maps, sign[SLOPE_DOWN] = maps.flip(1), -1.0
    maps = maps * sign
    if swap:
        order = list(range(len(maps)))
        order[SLOPE_RIGHT], order[SLOPE_DOWN] = SLOPE_DOWN, SLOPE_RIGHT
        maps = maps.transpose(1, 2)[order].contiguous()
    else:
        maps = maps.clone()
    gain = 1.0 + GAIN_DEVIATION * torch.randn(3, 1, 1, generator=random)
    offset = OFFSET_DEVIATION * torch.randn(1, generator=random)
    color = CHANNELS["basecolor"]
    maps[color] = (maps[color] * gain + offset).clamp(0.0, 1.0)
    return maps


def random_presence(count: int, random: torch.Generator) -> Tensor:
    """Return (B, 6), 1 where a map is given; never all, never none."""
    presence = (torch.rand(count, len(MAPS), generator=random) < PRESENT_SHARE).float()
    presence[:, 0] = (torch.rand(count, generator=random) >= NO_COLOR_SHARE).float()
    empty = presence.sum(1) == 0
    presence[empty, MAPS.index("height")] = 1.0
    presence[presence.sum(1) == len(MAPS), MAPS.index("roughness")] = 0.0
    return presence


def estimator_input(maps: Tensor, presence: Tensor) -> Tensor:
    """Return the network's input (B, 15, H, W) for maps (B, 9, H, W) and presence (B, 6)."""
    given = torch.cat(
        [presence[:, i : i + 1].expand(-1, MAP_CHANNELS[name]) for i, name in enumerate(MAPS)], 1
    )
    marks = presence[:, :, None, None].expand(-1, -1, *maps.shape[2:])
    return torch.cat([maps * given[:, :, None, None], marks], 1)


def targets(maps: Tensor) -> Tensor:
    """Return the channels of maps (B, 9, H, W) that the network makes, (B, 6, H, W)."""
    return maps[:, sum(MAP_CHANNELS[name] for name in MAPS if name not in ESTIMATED) :]
