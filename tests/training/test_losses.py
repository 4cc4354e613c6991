# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from texgen_server.training import losses


def test_hinge_is_zero_for_a_perfect_judge():
    assert losses.hinge_discriminator([torch.full((4, 9), 1.0)], [torch.full((4, 9), -1.0)]) == 0
    assert losses.hinge_generator([torch.ones(2, 3), torch.ones(2, 5)]) == -2


def test_statistics_do_not_see_a_roll():
    tap = torch.randn(4, 6, 8, 8)
    here, there = losses.texture_statistics([tap, tap]), losses.texture_statistics([torch.roll(tap, 3, 2)] * 2)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(here, there, strict=True))


def test_target_distance_is_zero_on_the_target():
    samples = [[torch.randn(5, 7), torch.randn(5, 3)]]
    target = losses.StatisticsTarget.from_samples(samples, torch.ones(len(samples[0][0]), dtype=torch.bool))
    index = torch.tensor([3, 1])
    own = [s[index] for s in samples[0]]
    assert target.distance(own, index, torch.ones(2)) < 1e-6
    assert target.distance([s + 1 for s in own], index, torch.ones(2)) > 0.1
    assert target.distance([s + 1 for s in own], index, torch.zeros(2)) == 0


def test_layout_error_sees_only_the_layout():
    layout = torch.randn(1, 5, 8, 8)
    layout = (layout - layout.mean((2, 3), keepdim=True)) / layout.std((2, 3), keepdim=True)
    maps = torch.zeros(1, 7, 64, 64)
    maps[:, :5] = 0.5 + 0.1 * torch.nn.functional.interpolate(layout, scale_factor=8)
    strength = torch.ones(1, 5)
    assert losses.layout_error(maps, layout, strength, torch.ones(1)) < 0.05
    assert losses.layout_error(1 - maps, layout, strength, torch.ones(1)) > 1.5
    assert losses.layout_error(1 - maps, layout, torch.zeros(1, 5), torch.ones(1)) == 0


def test_radial_spectrum_tells_scales_apart():
    x = torch.arange(64.0)
    coarse = (0.5 + 0.4 * torch.sin(2 * torch.pi * 2 * x / 64)).expand(1, 7, 64, 64)
    fine = (0.5 + 0.4 * torch.sin(2 * torch.pi * 16 * x / 64)).expand(1, 7, 64, 64)
    assert losses.radial_spectrum(coarse)[0, 0].argmax() < losses.radial_spectrum(fine)[0, 0].argmax()
