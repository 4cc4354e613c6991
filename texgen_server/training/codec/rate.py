# SPDX-License-Identifier: Apache-2.0
"""The bits that latents cost: counted as they will be stored, and a differentiable estimate for
training.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

RECENT = 0.03
"""Share of a step in the mean of the estimate."""
INTEGRAL = 0.001
"""Change of the weight's logarithm in a step, at most."""
PROPORTIONAL = 0.15
"""Change of the weight's logarithm for a bit beyond the target."""
WEIGHTS = (1e-7, 3e-4)
ENOUGH_STEPS = 50
"""Steps before the estimate is compared with counted bits."""


def counted_bits(latents: Tensor) -> float:
    """Return the zeroth-order entropy of rounded latents (n, h, w) in bits a cell, each channel
    with a table of its own.
    """
    total = 0.0
    for channel in latents.round().flatten(1).long().cpu():
        counts = torch.unique(channel, return_counts=True)[1].double()
        share = counts / counts.sum()
        total -= float((share * share.log2()).sum())
    return total


def estimated_bits(latents: Tensor) -> Tensor:
    """Return the entropy in bits a cell of Laplace variables as large as latents (B, n, h, w) in
    quantiser steps, as a mean over images.
    """
    return torch.log2(1.0 + 2.0 * math.e * latents.abs().mean((2, 3))).sum(1).mean()


class RateControl:
    """A weight of the rate that keeps the estimate of the bits at a target; it stays on the device.

    Proportional and integral control of the weight's logarithm: the integral alone would overshoot,
    since the codec follows a weight over hundreds of steps.
    """

    def __init__(self, target_bits: float, device: torch.device, weight: float = 2e-5) -> None:
        self.target_bits = target_bits
        self.weight = torch.tensor(weight, device=device)
        self._recent = torch.tensor(0.0, device=device)
        self._steps = 0

    def term(self, latents: Tensor) -> Tensor:
        """Return the term of the loss, and adapt the weight."""
        bits = estimated_bits(latents)
        with torch.no_grad():
            self._steps += 1
            self._recent.lerp_(bits, max(1.0 / self._steps, RECENT))
            error = self._recent - self.target_bits
            self.weight.mul_(torch.exp(INTEGRAL * torch.tanh(error))).clamp_(*WEIGHTS)
            now = self.weight * torch.exp(torch.clamp(PROPORTIONAL * error, -3.0, 3.0))
        return now * bits

    def correct(self, counted: float, wanted: float) -> None:
        """Set the target of the estimate so that counted bits become those wanted.

        The estimate of the recent steps and the counted bits give their ratio. Differences must
        not be summed up: the codec follows a target over hundreds of steps, and a sum of what it
        has not yet followed drives it far beyond.
        """
        if self._steps >= ENOUGH_STEPS:
            target = wanted * float(self._recent) / counted
            self.target_bits = min(140.0, max(20.0, target))
