# SPDX-License-Identifier: Apache-2.0
"""Convolutions on the panorama."""

from __future__ import annotations

import torch

from texgen_server.networks.environment import panorama_pad


def test_padding_over_the_poles_and_its_gradient_are_exact():
    x = torch.randn(2, 3, 4, 8, dtype=torch.float64, requires_grad=True)
    padded = panorama_pad(x)
    assert torch.equal(padded[:, :, 0, 1:-1], torch.roll(x[:, :, 0], 4, 2))
    assert torch.equal(padded[:, :, 1:-1, 0], x[..., -1])
    assert torch.autograd.gradcheck(panorama_pad, (x,))
    with torch.no_grad():
        assert torch.equal(panorama_pad(x), padded)
