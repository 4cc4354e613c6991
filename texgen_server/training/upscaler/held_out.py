# SPDX-License-Identifier: Apache-2.0
"""Held-out scans as an evaluation sees them: the real maps, and what is to be enlarged or
cleaned.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen.maps import to_unit
from texgen_server.networks.channels import CLEAN_SCALE, MAP_CHANNELS
from texgen_server.training.upscaler.degradations import CHANNELS, MAPS, through_jpeg
from texgen_server.training.upscaler.methods import Picture, to_pixels
from texgen_server.training.upscaler.scans import FullScans

Maps = dict[str, Picture]
MIN_DEVIATION = 0.5 / 255.0
DAMAGE_QUALITY, DAMAGE_NOISE = 60, 0.02
"""Damage that x1 is measured on: noise of this deviation, then every map saved as JPEG."""


def held_out_pair(scans: FullScans, index: int, scale: int) -> tuple[Maps, Maps]:
    """Return a whole scan and what is to be enlarged or cleaned, as files would hold them: name of
    the map -> (H, W, C) in [0, 1]. Maps that are nearly constant are left out.
    """
    full = scans.whole(index)
    known = scans.known[index] & _varied(full)
    given = (
        torch.cat(list(_damaged(full, index)))
        if scale == CLEAN_SCALE
        else F.avg_pool2d(full, scale)
    )
    return _split(full, known), _split(given, known)


def _varied(maps: Tensor) -> Tensor:
    """Return (6,), true for maps that vary more than rounding makes a constant vary."""
    return torch.stack(
        [
            planes.std((1, 2)).max() > MIN_DEVIATION
            for planes in maps.split(list(MAP_CHANNELS.values()))
        ]
    )


def _damaged(maps: Tensor, seed: int) -> Iterator[Tensor]:
    noise = torch.randn(maps.shape, generator=torch.Generator().manual_seed(seed))
    for planes in (maps + DAMAGE_NOISE * noise).clamp(0.0, 1.0).split(list(MAP_CHANNELS.values())):
        yield through_jpeg(planes, DAMAGE_QUALITY)


def _split(maps: Tensor, known: Tensor) -> dict[str, Picture]:
    """Split (9, H, W) channels into the maps that are known, rounded as files round."""
    out = {}
    for i, name in enumerate(MAPS):
        if known[i]:
            plane = maps[CHANNELS[name]].permute(1, 2, 0).numpy()
            unit = _unit_normal(plane) if name == "normal" else plane
            out[name] = to_unit(to_pixels(name, unit))
    return out


def _unit_normal(xy: Picture) -> Picture:
    """Complete normal x and y in [0, 1] to unit normals in [0, 1]."""
    flat = xy * 2.0 - 1.0
    z = np.sqrt(np.maximum(1.0 - (flat * flat).sum(-1, keepdims=True), 0.0))
    return np.concatenate([xy, z * 0.5 + 0.5], -1)
