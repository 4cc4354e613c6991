# SPDX-License-Identifier: Apache-2.0
"""Squared errors of maps as the upscaler's channels."""

from __future__ import annotations

import torch
from torch import Tensor

from texgen_server.networks.channels import MAP_CHANNELS, SLOPE_UNIT


def map_errors(made: Tensor, real: Tensor) -> Tensor:
    """(B, 6) mean squared error of each map of each picture; normals as unit vectors in [0, 1]."""
    errors, first = [], 0
    for name, channels in MAP_CHANNELS.items():
        ours, theirs = (m[:, first : first + channels] for m in (made, real))
        if name == "normal":
            ours, theirs = unit_normals(ours) * 0.5, unit_normals(theirs) * 0.5
        errors.append(((ours - theirs) ** 2).mean((1, 2, 3)))
        first += channels
    return torch.stack(errors, 1)


def unit_normals(slopes: Tensor) -> Tensor:
    """Slopes (B, 2, H, W) in units -> (B, 3, H, W)."""
    normal = torch.cat([slopes * SLOPE_UNIT, torch.ones_like(slopes[:, :1])], 1)
    return normal * torch.rsqrt((normal * normal).sum(1, keepdim=True))
