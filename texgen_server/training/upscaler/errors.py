# SPDX-License-Identifier: Apache-2.0
"""Squared errors of maps as the upscaler's channels."""

from __future__ import annotations

import torch
from torch import Tensor

from texgen_server.networks.channels import SLOPE_UNIT, split_channels


def map_errors(made: Tensor, real: Tensor) -> Tensor:
    """Return (B, 6): the mean squared error of each map of each picture; normals count as unit
    vectors in [0, 1].
    """
    errors = []
    real_maps = split_channels(real, axis=1)
    for name, ours in split_channels(made, axis=1).items():
        theirs = real_maps[name]
        if name == "normal":
            ours, theirs = unit_normals(ours) * 0.5, unit_normals(theirs) * 0.5
        errors.append(((ours - theirs) ** 2).mean((1, 2, 3)))
    return torch.stack(errors, 1)


def unit_normals(slopes: Tensor) -> Tensor:
    """Return the unit normals (B, 3, H, W) of slopes (B, 2, H, W) in units of `SLOPE_UNIT`."""
    normal = torch.cat([slopes * SLOPE_UNIT, torch.ones_like(slopes[:, :1])], 1)
    return normal * torch.rsqrt((normal * normal).sum(1, keepdim=True))
