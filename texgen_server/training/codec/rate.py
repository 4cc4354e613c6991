# SPDX-License-Identifier: Apache-2.0
"""The bits that latents cost: counted as they will be stored, and a differentiable estimate for
training.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


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
    """A weight of the rate that rises while the estimate is above its target and falls below it; it
    stays on the device.
    """

    def __init__(self, target_bits: float, device: torch.device, weight: float = 2e-5) -> None:
        self.target_bits = target_bits
        self.weight = torch.tensor(weight, device=device)

    def term(self, latents: Tensor) -> Tensor:
        """Return the term of the loss, and adapt the weight."""
        bits = estimated_bits(latents)
        with torch.no_grad():
            self.weight.mul_(torch.exp(0.005 * torch.sign(bits - self.target_bits))).clamp_(
                1e-7, 3e-4
            )
        return self.weight * bits

    def correct(self, counted: float, wanted: float) -> None:
        """Move the target of the estimate by the difference of counted and wanted bits."""
        self.target_bits = min(140.0, max(40.0, self.target_bits + 0.7 * (wanted - counted)))
