# SPDX-License-Identifier: Apache-2.0
"""How many bits latents cost: counted as they will be stored, and a differentiable estimate for
training.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def counted_bits(latents: Tensor) -> float:
    """Zeroth-order entropy of rounded latents (n, h, w) in bits a cell, each channel with a table
    of its own.
    """
    total = 0.0
    for channel in latents.round().flatten(1).long().cpu():
        counts = torch.unique(channel, return_counts=True)[1].double()
        share = counts / counts.sum()
        total -= float((share * share.log2()).sum())
    return total


def estimated_bits(latents: Tensor) -> Tensor:
    """Mean over images of the entropy of Laplace variables as large as latents (B, n, h, w) in
    quantiser steps: bits a cell.
    """
    return torch.log2(1.0 + 2.0 * math.e * latents.abs().mean((2, 3))).sum(1).mean()


class RateControl:
    """Raises the weight of the rate while the estimate is above its target and lowers it below;
    stays on the device.
    """

    def __init__(self, target_bits: float, device: torch.device, weight: float = 2e-5) -> None:
        self.target_bits = target_bits
        self.weight = torch.tensor(weight, device=device)

    def term(self, latents: Tensor) -> Tensor:
        """What to add to the loss."""
        bits = estimated_bits(latents)
        with torch.no_grad():
            self.weight.mul_(torch.exp(0.005 * torch.sign(bits - self.target_bits))).clamp_(
                1e-7, 3e-4
            )
        return self.weight * bits

    def correct(self, counted: float, wanted: float) -> None:
        """Move the target of the estimate by what counted bits differ from those wanted."""
        self.target_bits = min(140.0, max(40.0, self.target_bits + 0.7 * (wanted - counted)))
