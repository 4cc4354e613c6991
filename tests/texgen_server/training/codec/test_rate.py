# SPDX-License-Identifier: Apache-2.0
"""Bits of latents, counted and estimated, and the control of the rate."""

from __future__ import annotations

import math

import pytest
import torch

from texgen_server.training.codec.rate import RateControl, counted_bits, estimated_bits


def test_bits_are_counted_and_estimated_alike():
    random = torch.Generator().manual_seed(0)
    uniform = torch.randint(0, 8, (2, 64, 64), generator=random).float()
    assert counted_bits(uniform) == pytest.approx(6.0, abs=0.02)
    assert counted_bits(torch.zeros(2, 8, 8)) == 0.0
    laplace = torch.distributions.Laplace(0.0, 6.0).sample((1, 1, 200, 200))
    assert float(estimated_bits(laplace)) == pytest.approx(
        counted_bits(laplace[0].round()), abs=0.15
    )


def test_rate_control_pushes_towards_its_target():
    control = RateControl(10.0, torch.device("cpu"))
    before = float(control.weight)
    control.term(torch.full((1, 8, 4, 4), 50.0))
    assert float(control.weight) > before
    for _ in range(300):
        control.term(torch.zeros(1, 8, 4, 4))
    assert float(control.weight) < before


def test_corrections_settle_at_the_wanted_bits_though_the_codec_follows_slowly():
    """A codec whose bits drift by 0.03 a step, the way that the weight pushes, and cost a quarter
    more when counted than the estimate says.
    """
    control = RateControl(84.0, torch.device("cpu"))
    bits, counted = 60.0, []
    for step in range(6000):
        if step % 500 == 0:
            counted.append(1.25 * bits)
            control.correct(counted[-1], wanted=74.0)
        size = (2.0 ** (bits / 32) - 1.0) / (2.0 * math.e)
        latents = torch.full((1, 32, 1, 1), size)
        weight = float(control.term(latents)) / float(estimated_bits(latents))
        bits += 0.03 if weight < 2e-5 else -0.03
    assert counted[4:] == pytest.approx([74.0] * len(counted[4:]), abs=2.0)


def test_the_first_steps_correct_nothing():
    control = RateControl(84.0, torch.device("cpu"))
    control.correct(counted=60.0, wanted=74.0)
    assert control.target_bits == 84.0
