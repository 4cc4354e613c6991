# SPDX-License-Identifier: Apache-2.0
"""Scans at full resolution -> pairs of small and large crops, with the degradations of textures
(not those of cameras).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.channels import CLEAN_SCALE, MAP_CHANNELS
from texgen_server.networks.params import UPSCALER_CHANNELS
from texgen_server.networks.upscaler import bicubic
from texgen_server.training.catalog import Asset
from texgen_server.training.material.data import height_px, native_px
from texgen_server.training.upscaler.errors import map_errors
from texgen_server.upscaling.tiled import slopes_from_normal

FULL_PX = 1024
"""Edge of the scans that are used: those stored with fewer pixels are left out."""
MAPS = tuple(MAP_CHANNELS)
ONLY_COLOR_SHARE, DROP_SHARE, JPEG_SHARE = 0.25, 0.15, 0.15
"""How often a crop has its basecolor only, lacks any one map, or has a basecolor from a JPEG file.
"""
MADE_UP_SHARE = 0.5
"""How often a crop of a scan without a metallic map gets one made of another map: few scans have
one, too few to learn their borders from.
"""
MADE_UP_LEAST = 0.01
"""Deviation of a map that one can be made of."""
NOISE_SHARE, NOISE_MOST = 0.5, 0.05
"""For x1: how often there is noise, and its largest deviation."""
CLEAN_JPEG_SHARE, CLEAN_QUALITY = 0.8, (25, 91)
"""For x1: how often a map comes from a JPEG file, and the qualities (the last excluded)."""

Array = NDArray[np.float32]


def prepare(data: Path, assets: list[Asset], out: Path) -> None:
    """Write ``upscaler.npy`` (N, 9, 1024, 1024) uint16 and ``upscaler.json`` (names, which maps
    each has).

    Channels as in the network, but normal x and y (from [-1, 1]) in place of slopes.
    """
    chosen = [a for a in assets if native_px(data / "materials" / a.asset_id) >= FULL_PX]
    out.mkdir(parents=True, exist_ok=True)
    stack = np.lib.format.open_memmap(
        out / "upscaler.npy", "w+", np.uint16, (len(chosen), UPSCALER_CHANNELS, FULL_PX, FULL_PX)
    )
    known = []
    for i, asset in enumerate(chosen):
        maps, has = _load(data / "materials" / asset.asset_id, asset.asset_id)
        stack[i] = np.round(maps * 65535.0).astype(np.uint16)
        known.append(has)
    stack.flush()
    (out / "upscaler.json").write_text(
        json.dumps({"assets": [a.asset_id for a in chosen], "known": known}), encoding="utf-8"
    )


def _load(folder: Path, asset_id: str) -> tuple[Array, list[bool]]:
    """(9, 1024, 1024) in [0, 1] and which of `MAPS` there are."""
    planes: dict[str, Array] = {}
    for name in ("basecolor", "normal", "roughness", "metallic", "ao"):
        path = folder / f"{name}.webp"
        if path.is_file():
            with Image.open(path) as picture:
                resized = picture.convert("RGB" if MAP_CHANNELS[name] != 1 else "L").resize(
                    (FULL_PX, FULL_PX), Image.Resampling.BOX
                )
            planes[name] = np.asarray(resized, np.float32).reshape(FULL_PX, FULL_PX, -1).transpose(
                2, 0, 1
            ) / np.float32(255.0)
    height = np.asarray(
        Image.fromarray(height_px(folder, asset_id)).resize(
            (FULL_PX, FULL_PX), Image.Resampling.BOX
        ),
        np.float32,
    )
    reach = max(1e-3, float(np.abs(height).max()))
    planes["height"] = np.clip(0.5 + height / (2.0 * reach), 0.0, 1.0)[None]
    planes["normal"] = planes["normal"][:2]
    full = [
        planes.get(name, np.zeros((MAP_CHANNELS[name], FULL_PX, FULL_PX), np.float32))
        for name in MAPS
    ]
    return np.concatenate(full), [
        name in planes and float(np.ptp(planes[name])) > 0.004 for name in MAPS
    ]


@dataclass
class Pairs:
    """A batch. Missing maps are zero in ``small``."""

    small: Tensor  # (B, 9, h, w) as the network takes it
    large: Tensor  # (B, 9, s h, s w), slopes included
    judged: Tensor  # (B, 6) 1 where the map is there
    made_up: Tensor  # (B, 6) true where it is not the scan's


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
        """(9, 1024, 1024) with normal x and y as stored, in [0, 1]."""
        return torch.from_numpy(self.maps[index].astype(np.float32) / 65535.0)

    def bicubic_errors(self, scale: int) -> Tensor:
        """(N, 6) mean squared error of a bicubic enlargement of each whole scan, and of what 8 bits
        round away; kept in a file.
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
        """Random crops of these scans, flipped and turned, and their degraded small versions."""
        edge = small_px * scale
        corner = torch.randint(FULL_PX, (len(index), 2), generator=random)
        crops = np.empty((len(index), UPSCALER_CHANNELS, edge, edge), np.float32)
        for row, (scan, (top, left)) in enumerate(
            zip(index.tolist(), corner.tolist(), strict=True)
        ):
            rows, columns = ((np.arange(edge) + start) % FULL_PX for start in (top, left))
            crops[row] = self.maps[scan][:, rows[:, None], columns[None]]
        large = _turned(torch.from_numpy(crops / np.float32(65535.0)), random)
        made_up = made_up_metallic(large, self.known[index], random)
        small = quantised(
            spoiled(large, random) if scale == CLEAN_SCALE else degraded(large, scale, random)
        )
        judged = (self.known[index] | made_up).float() * _kept(len(index), random)
        shown = torch.cat(
            [judged[:, i : i + 1].expand(-1, MAP_CHANNELS[name]) for i, name in enumerate(MAPS)], 1
        )
        if scale != CLEAN_SCALE:
            with_jpeg(small, random)
        return Pairs(
            with_slopes(small) * shown[..., None, None], with_slopes(large), judged, made_up
        )


def made_up_metallic(large: Tensor, known: Tensor, random: torch.Generator) -> Tensor:
    """Give some crops (B, 9, h, w) a metallic map, in place: another map of theirs, cut at a level,
    with a border as soft as chance has it.

    Returns (B, 6), true for those. Real ones look so: metal where paint has gone, or where it has
    not.
    """
    made = torch.zeros(known.shape, dtype=torch.bool)
    first = {name: sum(list(MAP_CHANNELS.values())[:i]) for i, name in enumerate(MAPS)}
    for row in range(len(large)):
        share, level, softness, side = torch.rand(4, generator=random).tolist()
        if known[row, MAPS.index("metallic")] or share >= MADE_UP_SHARE:
            continue
        source = ("basecolor", "height", "roughness")[int(torch.randint(3, (1,), generator=random))]
        plane = large[row, first[source] : first[source] + MAP_CHANNELS[source]].mean(0)
        spread = float(plane.std())
        if spread < MADE_UP_LEAST:
            continue
        cut = torch.quantile(plane.flatten()[:: max(1, plane.numel() // 4096)], 0.15 + 0.7 * level)
        mask = torch.sigmoid((plane - cut) / (spread * (0.02 + 0.5 * softness**2)))
        large[row, first["metallic"]] = mask if side < 0.5 else 1.0 - mask
        made[row, MAPS.index("metallic")] = True
    return made


def _bicubic_error(maps: Tensor, scale: int) -> Array:
    """(6,) of one scan (9, H, W) on the torus."""
    small = with_slopes(quantised(F.avg_pool2d(maps, scale))[None])
    padded = F.pad(small, (2, 2, 2, 2), "circular")
    large = F.pixel_shuffle(bicubic(padded, scale)[..., 2:-2, 2:-2], scale)
    rounded = torch.tensor(
        [0.0 if name == "height" else (1.0 / 255.0) ** 2 / 12.0 for name in MAPS]
    )
    errors: Array = (map_errors(large, with_slopes(maps[None]))[0] + rounded + 1e-8).numpy()
    return errors


def _kept(count: int, random: torch.Generator) -> Tensor:
    """(B, 6) 0 where a map is withheld; never all of them."""
    keep = (torch.rand(count, len(MAPS), generator=random) >= DROP_SHARE).float()
    alone = torch.rand(count, generator=random) < ONLY_COLOR_SHARE
    keep[alone] = 0.0
    keep[alone | (keep.sum(1) == 0), 0] = 1.0
    return keep


def _turned(maps: Tensor, random: torch.Generator) -> Tensor:
    """The batch flipped or transposed as a whole; normals turn with it (x to the right, y up, from
    [-1, 1] to [0, 1]).
    """
    right, down, swap = (torch.rand(3, generator=random) < 0.5).tolist()
    maps = maps.clone()
    if right:
        maps = maps.flip(3)
        maps[:, 3] = 1.0 - maps[:, 3]
    if down:
        maps = maps.flip(2)
        maps[:, 4] = 1.0 - maps[:, 4]
    if swap:  # (x, down) -> (down, x): y up is minus down
        maps = maps.transpose(2, 3).contiguous()
        maps[:, [3, 4]] = 1.0 - maps[:, [4, 3]]
    return maps


def degraded(large: Tensor, scale: int, random: torch.Generator) -> Tensor:
    """Shrunk as textures are: mostly averaged over whole pixels, at times with a bicubic or
    bilinear filter.
    """
    draw = float(torch.rand(1, generator=random))
    ways: list[tuple[float, Callable[[], Tensor]]] = [
        (0.8, lambda: F.avg_pool2d(large, scale)),
        (
            0.9,
            lambda: F.interpolate(large, scale_factor=1.0 / scale, mode="bicubic", antialias=True),
        ),
        (
            1.1,
            lambda: F.interpolate(large, scale_factor=1.0 / scale, mode="bilinear", antialias=True),
        ),
    ]
    return next(way for limit, way in ways if draw < limit)().clamp(0.0, 1.0)


def quantised(maps: Tensor) -> Tensor:
    """Rounded to what files hold: 8 bits, height 16."""
    steps = torch.full((UPSCALER_CHANNELS, 1, 1), 255.0)
    steps[7] = 65535.0
    return (maps * steps).round() / steps


def spoiled(maps: Tensor, random: torch.Generator) -> Tensor:
    """What x1 has to clean: noise on half of the pictures, most maps saved as JPEG, each
    by itself.
    """
    strength = (
        torch.rand(len(maps), 1, 1, 1, generator=random)
        * NOISE_MOST
        * (torch.rand(len(maps), 1, 1, 1, generator=random) < NOISE_SHARE)
    )
    noisy = (maps + strength * torch.randn(maps.shape, generator=random)).clamp(0.0, 1.0)
    first = 0
    for channels in MAP_CHANNELS.values():
        for row in torch.nonzero(torch.rand(len(maps), generator=random) < CLEAN_JPEG_SHARE)[
            :, 0
        ].tolist():
            quality = int(torch.randint(*CLEAN_QUALITY, (1,), generator=random))
            noisy[row, first : first + channels] = through_jpeg(
                noisy[row, first : first + channels], quality
            )
        first += channels
    return noisy


def with_jpeg(maps: Tensor, random: torch.Generator) -> None:
    """Some basecolors pass through a JPEG file, in place."""
    for row in torch.nonzero(torch.rand(len(maps), generator=random) < JPEG_SHARE)[:, 0].tolist():
        maps[row, :3] = through_jpeg(
            maps[row, :3], int(torch.randint(60, 97, (1,), generator=random))
        )


def through_jpeg(planes: Tensor, quality: int) -> Tensor:
    """A map (1, 2 or 3, H, W) in [0, 1] after JPEG compression; two planes get the third that a
    unit normal has.
    """
    picture = planes
    if len(planes) == 2:  # normal x and y
        picture = torch.cat(
            [
                planes,
                0.5
                + 0.5
                * (1.0 - ((planes * 2.0 - 1.0) ** 2).sum(0, keepdim=True)).clamp_min(0.0).sqrt(),
            ]
        )
    samples = (picture.permute(1, 2, 0).numpy() * 255.0).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(samples[..., 0] if len(picture) == 1 else samples).save(
        buffer, "JPEG", quality=quality
    )
    decoded = np.asarray(Image.open(buffer), np.float32).reshape(samples.shape) / np.float32(255.0)
    return torch.from_numpy(decoded).permute(2, 0, 1)[: len(planes)]


def with_slopes(maps: Tensor) -> Tensor:
    """Normal x and y as stored -> slopes as the network takes them."""
    slopes = slopes_from_normal((maps[:, 3:5] * 2.0 - 1.0).numpy())
    return torch.cat([maps[:, :3], torch.from_numpy(slopes), maps[:, 5:]], 1)
