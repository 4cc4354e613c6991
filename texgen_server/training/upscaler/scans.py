# SPDX-License-Identifier: Apache-2.0
"""Scans at full resolution, and pairs of small and large crops of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen.maps import from_unit, to_unit
from texgen_server.networks.channels import CLEAN_SCALE, MAP_CHANNELS
from texgen_server.networks.params import UPSCALER_CHANNELS
from texgen_server.networks.upscaler import bicubic
from texgen_server.training.catalog import Asset
from texgen_server.training.material.data import height_px, native_px
from texgen_server.training.upscaler.degradations import (
    MAPS,
    compress_some,
    damaged,
    flipped,
    quantised,
    shrunk,
    synthetic_metallic,
    with_slopes,
)
from texgen_server.training.upscaler.errors import map_errors

FULL_PX = 1024
"""Edge of the scans that are used: those stored with fewer pixels are left out."""
ONLY_COLOR_SHARE = 0.25
"""Share of crops that have their basecolor only."""
DROP_SHARE = 0.15
"""Share of crops that lack any one map."""
MIN_RANGE = 0.004
"""Range that a map must exceed to count as there."""
MIN_RELIEF_PX = 1e-3

Array = NDArray[np.float32]


def prepare(data: Path, assets: list[Asset], out: Path) -> None:
    """Write ``upscaler.npy`` (N, 9, 1024, 1024) uint16 and ``upscaler.json`` (names, and which maps
    each scan has).

    Channels are as in the network, but normal x and y (from [-1, 1]) in place of slopes.
    """
    chosen = [a for a in assets if native_px(data / "materials" / a.asset_id) >= FULL_PX]
    out.mkdir(parents=True, exist_ok=True)
    stack = np.lib.format.open_memmap(
        out / "upscaler.npy", "w+", np.uint16, (len(chosen), UPSCALER_CHANNELS, FULL_PX, FULL_PX)
    )
    known = []
    for i, asset in enumerate(chosen):
        maps, has = _load(data / "materials" / asset.asset_id, asset.asset_id)
        stack[i] = from_unit(maps, np.uint16, half_to_even=True)
        known.append(has)
    stack.flush()
    (out / "upscaler.json").write_text(
        json.dumps({"assets": [a.asset_id for a in chosen], "known": known}), encoding="utf-8"
    )


def _load(folder: Path, asset_id: str) -> tuple[Array, list[bool]]:
    """Read a set as (9, 1024, 1024) in [0, 1], and which of `MAPS` it has."""
    planes: dict[str, Array] = {}
    for name in ("basecolor", "normal", "roughness", "metallic", "ao"):
        path = folder / f"{name}.webp"
        if path.is_file():
            with Image.open(path) as picture:
                resized = picture.convert("RGB" if MAP_CHANNELS[name] != 1 else "L").resize(
                    (FULL_PX, FULL_PX), Image.Resampling.BOX
                )
            samples = np.asarray(resized).reshape(FULL_PX, FULL_PX, -1)
            planes[name] = to_unit(samples.transpose(2, 0, 1))
    height = np.asarray(
        Image.fromarray(height_px(folder, asset_id)).resize(
            (FULL_PX, FULL_PX), Image.Resampling.BOX
        ),
        np.float32,
    )
    reach = max(MIN_RELIEF_PX, float(np.abs(height).max()))
    planes["height"] = np.clip(0.5 + height / (2.0 * reach), 0.0, 1.0)[None]
    planes["normal"] = planes["normal"][:2]
    full = [
        planes.get(name, np.zeros((MAP_CHANNELS[name], FULL_PX, FULL_PX), np.float32))
        for name in MAPS
    ]
    return np.concatenate(full), [
        name in planes and float(np.ptp(planes[name])) > MIN_RANGE for name in MAPS
    ]


@dataclass
class Pairs:
    """A batch of small and large crops; missing maps are zero in ``small``."""

    small: Tensor  # (B, 9, h, w) as the network takes it
    large: Tensor  # (B, 9, s h, s w), slopes included
    judged: Tensor  # (B, 6) 1 where the map is there
    synthetic: Tensor  # (B, 6) true where it is not the scan's

    def to(self, device: torch.device) -> Pairs:
        """Return the batch on a device."""
        small, large = self.small.to(device), self.large.to(device)
        return Pairs(small, large, self.judged.to(device), self.synthetic.to(device))


class FullScans:
    """The prepared scans, memory-mapped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._errors: dict[int, Tensor] = {}
        meta = json.loads((folder / "upscaler.json").read_text(encoding="utf-8"))
        self.assets: list[str] = meta["assets"]
        self.known = torch.tensor(meta["known"])  # (N, 6)
        self.maps = np.load(folder / "upscaler.npy", mmap_mode="r")

    def whole(self, index: int) -> Tensor:
        """Return a scan as (9, 1024, 1024) in [0, 1], with normal x and y as stored."""
        return torch.from_numpy(to_unit(self.maps[index]))

    def bicubic_errors(self, scale: int) -> Tensor:
        """Return (N, 6): the mean squared error of a bicubic enlargement of each whole scan, and of
        what 8 bits round away; measured once and kept in a file.
        """
        if scale not in self._errors:
            path = self.folder / f"bicubic_x{scale}.npy"
            if not path.is_file():
                np.save(
                    path,
                    np.stack(
                        [_bicubic_error(self.whole(i), scale) for i in range(len(self.assets))]
                    ),
                )
            self._errors[scale] = torch.from_numpy(np.load(path))
        return self._errors[scale]

    def pairs(self, index: Tensor, scale: int, small_px: int, random: torch.Generator) -> Pairs:
        """Cut random crops of these scans, flipped and transposed, and degrade them."""
        edge = small_px * scale
        corner = torch.randint(FULL_PX, (len(index), 2), generator=random)
        crops = np.empty((len(index), UPSCALER_CHANNELS, edge, edge), np.float32)
        for row, (scan, (top, left)) in enumerate(
            zip(index.tolist(), corner.tolist(), strict=True)
        ):
            rows, columns = ((np.arange(edge) + start) % FULL_PX for start in (top, left))
            crops[row] = self.maps[scan][:, rows[:, None], columns[None]]
        large = flipped(torch.from_numpy(crops / np.float32(65535.0)), random)
        synthetic = synthetic_metallic(large, self.known[index], random)
        small = quantised(
            damaged(large, random) if scale == CLEAN_SCALE else shrunk(large, scale, random)
        )
        judged = (self.known[index] | synthetic).float() * random_presence(len(index), random)
        given = torch.cat(
            [judged[:, i : i + 1].expand(-1, MAP_CHANNELS[name]) for i, name in enumerate(MAPS)], 1
        )
        if scale != CLEAN_SCALE:
            compress_some(small, random)
        return Pairs(
            with_slopes(small) * given[..., None, None], with_slopes(large), judged, synthetic
        )


def _bicubic_error(maps: Tensor, scale: int) -> Array:
    """Return (6,): the errors of one scan (9, H, W) on the torus."""
    small = with_slopes(quantised(F.avg_pool2d(maps, scale))[None])
    padded = F.pad(small, (2, 2, 2, 2), "circular")
    large = F.pixel_shuffle(bicubic(padded, scale)[..., 2:-2, 2:-2], scale)
    rounded = torch.tensor(
        [0.0 if name == "height" else (1.0 / 255.0) ** 2 / 12.0 for name in MAPS]
    )
    errors: Array = (map_errors(large, with_slopes(maps[None]))[0] + rounded + 1e-8).numpy()
    return errors


def random_presence(count: int, random: torch.Generator) -> Tensor:
    """Return (B, 6): 0 where a map is withheld; never all of them."""
    keep = (torch.rand(count, len(MAPS), generator=random) >= DROP_SHARE).float()
    alone = torch.rand(count, generator=random) < ONLY_COLOR_SHARE
    keep[alone] = 0.0
    keep[alone | (keep.sum(1) == 0), 0] = 1.0
    return keep
