# SPDX-License-Identifier: Apache-2.0
"""Turns of crops turn their normals with them."""

from __future__ import annotations

import torch

from texgen_server.networks.codec import MAPS
from texgen_server.training.codec.pixels import turn


def test_turning_turns_normals_with_their_maps():
    y, x = torch.meshgrid(
        torch.arange(16) * (2 * torch.pi / 16),
        torch.arange(16) * (2 * torch.pi / 16),
        indexing="ij",
    )
    height = torch.sin(x) + 0.5 * torch.cos(2 * y) + 0.3 * torch.sin(x + y)
    maps = torch.zeros(1, MAPS, 16, 16)
    maps[0, 7], maps[0, 3], maps[0, 4] = height, -_slope(height, 1), _slope(height, 0)
    for code in range(8):
        turned = turn(maps, code)[0]
        assert torch.allclose(turned[3], -_slope(turned[7], 1), atol=1e-6), code
        assert torch.allclose(turned[4], _slope(turned[7], 0), atol=1e-6), code


def _slope(height: torch.Tensor, axis: int) -> torch.Tensor:
    return (height.roll(-1, axis) - height.roll(1, axis)) / 2
