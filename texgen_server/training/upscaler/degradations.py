# SPDX-License-Identifier: Apache-2.0
"""Degradations of texture maps, not those of cameras: shrinking, rounding, noise, JPEG; and random
flips.

Maps are (B, 9, H, W) in [0, 1], channels as in the upscaler's network, but normal x and y in place
of slopes.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen.maps import from_unit, to_unit
from texgen_server.networks.channels import MAP_CHANNELS, channel_slices
from texgen_server.networks.params import UPSCALER_CHANNELS
from texgen_server.upscaling.tiled import slopes_from_normal

MAPS = tuple(MAP_CHANNELS)
CHANNELS = channel_slices()
"""Map -> its channels among the nine."""
NORMAL_X, NORMAL_Y = CHANNELS["normal"].start, CHANNELS["normal"].start + 1
METALLIC, HEIGHT = CHANNELS["metallic"].start, CHANNELS["height"].start
JPEG_SHARE, JPEG_QUALITY = 0.15, (60, 97)
"""Share of crops whose basecolor comes from a JPEG file, and its qualities (the last excluded)."""
SYNTHETIC_SHARE = 0.5
"""Share of crops of scans without a metallic map that get one made of another map: few scans have
one, too few to learn their borders from.
"""
MIN_DEVIATION = 0.01
"""Smallest deviation of a map that a metallic map is made of."""
NOISE_SHARE, MAX_NOISE = 0.5, 0.05
"""For x1: share of crops with noise, and its largest deviation."""
CLEAN_JPEG_SHARE, CLEAN_QUALITY = 0.8, (25, 91)
"""For x1: share of maps that come from a JPEG file, and its qualities (the last excluded)."""
QUANTILE_SAMPLES = 4096
"""Pixels that a quantile of a map is taken of."""


def synthetic_metallic(large: Tensor, known: Tensor, random: torch.Generator) -> Tensor:
    """Give some crops (B, 9, h, w) a metallic map, in place: another map of theirs, cut at a level,
    with a border of random softness.

    Returns (B, 6), true for those. Real ones look so: metal where paint has gone, or where it has
    not.
    """
    made = torch.zeros(known.shape, dtype=torch.bool)
    for row in range(len(large)):
        share, level, softness, side = torch.rand(4, generator=random).tolist()
        if known[row, MAPS.index("metallic")] or share >= SYNTHETIC_SHARE:
            continue
        source = ("basecolor", "height", "roughness")[int(torch.randint(3, (1,), generator=random))]
        plane = large[row, CHANNELS[source]].mean(0)
        spread = float(plane.std())
        if spread < MIN_DEVIATION:
            continue
        samples = plane.flatten()[:: max(1, plane.numel() // QUANTILE_SAMPLES)]
        cut = torch.quantile(samples, 0.15 + 0.7 * level)
        mask = torch.sigmoid((plane - cut) / (spread * (0.02 + 0.5 * softness**2)))
        large[row, METALLIC] = mask if side < 0.5 else 1.0 - mask
        made[row, MAPS.index("metallic")] = True
    return made


def flipped(maps: Tensor, random: torch.Generator) -> Tensor:
    """Return the whole batch randomly flipped and transposed; its normals turn with it (x to the
    right, y up, from [-1, 1] to [0, 1]).
    """
    right, down, swap = (torch.rand(3, generator=random) < 0.5).tolist()
    maps = maps.clone()
    if right:
        maps = maps.flip(3)
        maps[:, NORMAL_X] = 1.0 - maps[:, NORMAL_X]
    if down:
        maps = maps.flip(2)
        maps[:, NORMAL_Y] = 1.0 - maps[:, NORMAL_Y]
    if swap:  # (x, down) -> (down, x): y up is minus down
        maps = maps.transpose(2, 3).contiguous()
        maps[:, [NORMAL_X, NORMAL_Y]] = 1.0 - maps[:, [NORMAL_Y, NORMAL_X]]
    return maps


def shrunk(large: Tensor, scale: int, random: torch.Generator) -> Tensor:
    """Shrink maps as textures are shrunk: mostly averaged over whole pixels, at times with a
    bicubic or bilinear filter.
    """
    choice = float(torch.rand(1, generator=random))
    ways: list[tuple[float, Callable[[], Tensor]]] = [
        (0.8, lambda: F.avg_pool2d(large, scale)),
        (0.9, lambda: _interpolated(large, scale, "bicubic")),
        (1.1, lambda: _interpolated(large, scale, "bilinear")),
    ]
    return next(way for limit, way in ways if choice < limit)().clamp(0.0, 1.0)


def _interpolated(maps: Tensor, scale: int, mode: str) -> Tensor:
    return F.interpolate(maps, scale_factor=1.0 / scale, mode=mode, antialias=True)


def quantised(maps: Tensor) -> Tensor:
    """Round maps (..., 9, H, W) to what files hold: 8 bits, height 16."""
    steps = torch.full((UPSCALER_CHANNELS, 1, 1), 255.0)
    steps[HEIGHT] = 65535.0
    return (maps * steps).round() / steps


def damaged(maps: Tensor, random: torch.Generator) -> Tensor:
    """Damage maps for x1 to clean: noise on half of the crops, most maps saved as JPEG, each by
    itself.
    """
    noisy_rows = torch.rand(len(maps), 1, 1, 1, generator=random) * MAX_NOISE
    strength = noisy_rows * (torch.rand(len(maps), 1, 1, 1, generator=random) < NOISE_SHARE)
    noisy = (maps + strength * torch.randn(maps.shape, generator=random)).clamp(0.0, 1.0)
    for channels in CHANNELS.values():
        for row in _random_rows(len(maps), CLEAN_JPEG_SHARE, random):
            quality = int(torch.randint(*CLEAN_QUALITY, (1,), generator=random))
            noisy[row, channels] = through_jpeg(noisy[row, channels], quality)
    return noisy


def compress_some(maps: Tensor, random: torch.Generator) -> None:
    """Pass some basecolors through a JPEG file, in place."""
    for row in _random_rows(len(maps), JPEG_SHARE, random):
        quality = int(torch.randint(*JPEG_QUALITY, (1,), generator=random))
        color = CHANNELS["basecolor"]
        maps[row, color] = through_jpeg(maps[row, color], quality)


def _random_rows(count: int, share: float, random: torch.Generator) -> list[int]:
    rows: list[int] = torch.nonzero(torch.rand(count, generator=random) < share)[:, 0].tolist()
    return rows


def through_jpeg(planes: Tensor, quality: int) -> Tensor:
    """Return a map (1, 2 or 3, H, W) in [0, 1] after JPEG compression; two planes get the third
    that a unit normal has.
    """
    picture = planes
    if len(planes) == 2:  # normal x and y
        square = ((planes * 2.0 - 1.0) ** 2).sum(0, keepdim=True)
        picture = torch.cat([planes, 0.5 + 0.5 * (1.0 - square).clamp_min(0.0).sqrt()])
    samples = from_unit(picture.permute(1, 2, 0).numpy(), np.uint8, half_to_even=True)
    buffer = io.BytesIO()
    Image.fromarray(samples[..., 0] if len(picture) == 1 else samples).save(
        buffer, "JPEG", quality=quality
    )
    decoded = to_unit(np.asarray(Image.open(buffer)).reshape(samples.shape))
    return torch.from_numpy(decoded).permute(2, 0, 1)[: len(planes)]


def with_slopes(maps: Tensor) -> Tensor:
    """Replace normal x and y as stored by slopes as the network takes them."""
    normal = CHANNELS["normal"]
    slopes = slopes_from_normal((maps[:, normal] * 2.0 - 1.0).numpy())
    return torch.cat([maps[:, : normal.start], torch.from_numpy(slopes), maps[:, normal.stop :]], 1)
