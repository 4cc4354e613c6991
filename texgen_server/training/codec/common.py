# SPDX-License-Identifier: Apache-2.0
"""What both phases share: clock, precision, averaged weights, loss."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor, nn

CHARBONNIER = 0.03
"""Errors below it, weighted, count by their square, above by their size."""


class Clock:
    """The share of a run's minutes that has passed; earlier sessions of the same run count."""

    def __init__(self, minutes: float, spent_s: float = 0.0) -> None:
        self.minutes, self._before = minutes, spent_s
        self._started = time.monotonic()

    @property
    def spent_s(self) -> float:
        """Seconds so far."""
        return self._before + time.monotonic() - self._started

    @property
    def share(self) -> float:
        """0 at the start, 1 when the time is up."""
        return 1.0 if self.minutes <= 0 else min(1.0, self.spent_s / 60.0 / self.minutes)


def cosine(share: float, step: int, warm_steps: int = 200, floor: float = 0.004) -> float:
    """Factor of the learning rate: a warm-up by steps, then half a cosine over the time."""
    return min(1.0, (step + 1) / warm_steps) * (
        floor + (1.0 - floor) * (0.5 + 0.5 * math.cos(math.pi * share))
    )


def average_into(average: nn.Module, network: nn.Module, keep: float, step: int) -> None:
    """Move averaged weights towards the network's; shorter memory in the first steps."""
    keep = min(keep, (1.0 + step) / (10.0 + step))
    torch._foreach_lerp_(
        list(average.parameters()), [p.detach() for p in network.parameters()], 1.0 - keep
    )


def charbonnier(error: Tensor) -> Tensor:
    """``sqrt(e^2 + c^2) - c`` of weighted errors (Charbonnier et al. 1994)."""
    return torch.sqrt(error.float().square() + CHARBONNIER**2) - CHARBONNIER
