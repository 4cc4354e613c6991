# SPDX-License-Identifier: Apache-2.0
"""Bits of latents, counted and estimated, and the control of the rate."""

from __future__ import annotations

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
    control.term(torch.zeros(1, 8, 4, 4))
    assert float(control.weight) == pytest.approx(before, rel=1e-5)
    control = RateControl(90.0, torch.device("cpu"))
    control.correct(counted=84.0, wanted=74.0)
    assert control.target_bits == pytest.approx(83.0)
