# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from texgen_server.networks.frozen_features import TAP_CHANNELS
from texgen_server.training.adversarial import GAMES, DiscriminatorInput, gradient_penalty
from texgen_server.training.discriminator import Discriminator
from texgen_server.training.material import losses


def test_hinge_is_zero_for_a_perfect_judge():
    assert GAMES["hinge"].discriminator([torch.full((4, 9), 1.0)], [torch.full((4, 9), -1.0)]) == 0
    assert GAMES["hinge"].generator([], [torch.ones(2, 3), torch.ones(2, 5)]) == -2


@pytest.mark.parametrize("name", GAMES)
def test_both_players_want_opposite_things(name):
    """A judge that tells real from fake loses less than a mistaken one; the generator wants it
    mistaken.
    """
    game, high, low = GAMES[name], [torch.full((4, 9), 2.0)], [torch.full((4, 9), -2.0)]
    assert game.discriminator(high, low) < game.discriminator(low, high)
    assert game.generator(high, low) > game.generator(low, high)


@pytest.mark.parametrize("kind", ["r1r2", "interpolated"])
def test_gradient_penalties_reach_the_heads(kind):
    torch.manual_seed(0)
    judge = Discriminator(3, 2, 4)
    real, fake = (
        DiscriminatorInput(
            torch.zeros(2, 7, 64, 64),
            [
                torch.randn(4, c, 64 // 2**i, 64 // 2**i)
                for i, c in zip((2, 3, 4, 5), TAP_CHANNELS, strict=True)
            ],
            torch.randn(2, 8, 64, 64),
        )
        for _ in range(2)
    )
    told = (torch.tensor([0, 1]), torch.tensor([0, 1]), 1)
    penalty = gradient_penalty(judge, kind, real, fake, judge.condition(*told))
    assert penalty > 0
    penalty.backward()
    assert all(
        head.score.parametrizations.weight.original.grad.abs().sum() > 0 for head in judge.heads
    )


def test_statistics_do_not_see_a_roll():
    tap = torch.randn(4, 6, 8, 8)
    here, there = (
        losses.texture_statistics([tap, tap]),
        losses.texture_statistics([torch.roll(tap, 3, 2)] * 2),
    )
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(here, there, strict=True))


def test_target_distance_is_zero_on_the_target():
    samples = [[torch.randn(5, 7), torch.randn(5, 3)]]
    target = losses.StatisticsTarget.from_samples(
        samples, torch.ones(len(samples[0][0]), dtype=torch.bool)
    )
    index = torch.tensor([3, 1])
    own = [s[index] for s in samples[0]]
    assert target.distance(own, target.of(index), torch.ones(2)) < 1e-6
    assert target.distance([s + 1 for s in own], target.of(index), torch.ones(2)) > 0.1
    assert target.distance([s + 1 for s in own], target.of(index), torch.zeros(2)) == 0


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
    assert losses.map_spectra(coarse)[0, 0].argmax() < losses.map_spectra(fine)[0, 0].argmax()
