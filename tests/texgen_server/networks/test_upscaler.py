# SPDX-License-Identifier: Apache-2.0
"""The upscaler: flat stays flat, contrasts, the bicubic kernel."""

from __future__ import annotations

import torch
from torch.nn import functional as F  # noqa: N812

from tests.texgen_server.upscaling.small import SCALE
from tests.tiny import UPSCALER_PARAMS, tiny_upscaler
from texgen_server.networks.params import UPSCALER_CHANNELS, bicubic_kernel
from texgen_server.networks.upscaler import bicubic


@SCALE
@torch.no_grad()
def test_flat_stays_flat_exactly_whatever_the_weights(scale):
    flat = torch.rand(1, UPSCALER_CHANNELS, 1, 1).expand(1, UPSCALER_CHANNELS, 48, 48).contiguous()
    cut = UPSCALER_PARAMS.halo_px * scale
    large = tiny_upscaler()(flat, scale)[..., cut:-cut, cut:-cut]
    assert (large - flat[..., :1, :1]).abs().max() < 1e-5


@SCALE
@torch.no_grad()
def test_nothing_of_a_strong_map_leaks_into_a_constant_one(scale):
    """A constant metallic map beside a grainy colour comes out constant: each map is enlarged in
    units of its own contrast.
    """
    maps = torch.rand(1, UPSCALER_CHANNELS, 48, 48)
    maps[:, 6] = 1.0
    large = tiny_upscaler()(maps, scale)
    cut = UPSCALER_PARAMS.halo_px * scale
    assert (large[:, 6, cut:-cut, cut:-cut] - 1.0).abs().max() < 1e-5
    assert large[:, :3].std() > 0.2


@SCALE
@torch.no_grad()
def test_what_is_added_grows_with_the_contrast(scale):
    """Half the contrast of a map, half of what is added to it, all else alike."""
    torch.manual_seed(0)
    maps, network = torch.rand(1, UPSCALER_CHANNELS, 48, 48), tiny_upscaler()
    fainter = maps.clone()
    fainter[:, 5] = 0.5 + (maps[:, 5] - 0.5) * 0.5
    added = [
        network(m, scale)[:, 5] - F.pixel_shuffle(bicubic(m, scale), scale)[:, 5]
        for m in (maps, fainter)
    ]
    cut = UPSCALER_PARAMS.halo_px * scale
    strong, faint = (a[:, cut:-cut, cut:-cut] for a in added)
    assert (faint * 2.0 - strong).abs().mean() < 0.05 * strong.abs().mean()


def test_the_bicubic_kernel_is_a_partition_of_unity_and_exact_on_ramps():
    for scale in (2, 4):
        kernel = torch.from_numpy(bicubic_kernel(scale)).double().reshape(scale, scale, 5, 5)
        assert torch.allclose(
            kernel.sum((2, 3)), torch.ones(scale, scale, dtype=torch.float64), atol=1e-6
        )
        ramp = torch.arange(-2.0, 3.0, dtype=torch.float64)
        offsets = (torch.arange(scale) + 0.5) / scale - 0.5
        assert torch.allclose((kernel.sum(3) * ramp).sum(2)[:, 0], offsets.double(), atol=1e-6)
