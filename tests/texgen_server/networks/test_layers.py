# SPDX-License-Identifier: Apache-2.0
"""Layers that commute with a roll of the torus."""

from __future__ import annotations

import torch
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.layers import (
    CircularConv,
    circular_pad,
    upsample,
    without_grid,
)
from texgen_server.networks.params import GRID_PX


def test_padding_and_its_gradient_are_exact():
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    g = torch.randn(2, 3, 7, 6, dtype=torch.float64)
    ours, reference = circular_pad(x, 1), F.pad(x, (1, 1, 1, 1), mode="circular")
    assert torch.equal(ours, reference)
    assert torch.allclose(
        torch.autograd.grad(ours, x, g)[0], torch.autograd.grad(reference, x, g)[0]
    )
    with torch.no_grad():
        assert torch.equal(circular_pad(x, 1), reference)


def test_upsampling_keeps_the_mean_and_has_no_edge():
    x = torch.randn(1, 2, 4, 6)
    up = upsample(x)
    assert up.shape == (1, 2, 8, 12)
    assert torch.allclose(up.mean((2, 3)), x.mean((2, 3)), atol=1e-6)
    assert torch.allclose(
        upsample(torch.roll(x, (1, 2), (2, 3))), torch.roll(up, (2, 4), (2, 3)), atol=1e-6
    )


def test_convolutions_keep_the_size():
    assert CircularConv(3, 5)(torch.zeros(1, 3, 1, 1)).shape == (1, 5, 1, 1)


def test_a_grid_of_period_two_is_taken_away_and_detail_stays():
    def ungridded(fine):
        return without_grid(fine, circular_pad(fine, GRID_PX // 2))

    g = torch.Generator().manual_seed(0)
    detail = torch.randn(1, 28, 24, 24, generator=g)
    bias = torch.randn(1, 28, 1, 1, generator=g)
    smooth = bias.unflatten(1, (7, 4)).mean(2, keepdim=True).expand(1, 7, 4, 1, 1).flatten(1, 2)
    flat = torch.zeros_like(detail)
    assert (ungridded(flat + bias) - smooth).abs().max() < 1e-6
    kept = ungridded(detail)
    assert torch.nn.functional.cosine_similarity(kept.flatten(), detail.flatten(), dim=0) > 0.95
    assert torch.equal(
        ungridded(torch.roll(detail, (3, 5), (2, 3))), torch.roll(kept, (3, 5), (2, 3))
    )
