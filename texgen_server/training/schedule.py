# SPDX-License-Identifier: Apache-2.0
"""Schedules over a run: learning-rate factors and the half-life of averaged weights.

Positions and totals are in the unit that a trainer counts in, steps or images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class RateSchedule(Protocol):
    """A learning-rate factor that depends on how far a run is."""

    def factor(self, position: int, total: int) -> float:
        """Return the factor of the learning rate, in (0, 1]."""


@dataclass(frozen=True)
class WarmupDecay:
    """A linear rise over the first steps, then a constant rate, then a linear fall to the end."""

    warmup: int
    """Positions until the full rate is reached."""
    final_factor: float
    """Factor at the end of the run."""
    slope: float = 2.0
    """Loss of the factor for a whole run: with 2 the rate falls over about the last half."""

    def factor(self, position: int, total: int) -> float:
        """Return the factor at a position of a run."""
        return min(
            1.0,
            (position + 1) / self.warmup,
            self.final_factor + self.slope * (1.0 - position / total),
        )


@dataclass(frozen=True)
class FinalDecay:
    """A constant rate, then a linear fall over the last share of a run, down to a least factor."""

    share: float
    """Share of the run over which the rate falls."""
    least_factor: float = 0.05

    def factor(self, position: int, total: int) -> float:
        """Return the factor at a position of a run."""
        left = (total - position) / (total * self.share)
        return max(self.least_factor, min(1.0, left))


@dataclass(frozen=True)
class EmaSchedule:
    """The half-life of exponentially averaged weights: short at first, then constant."""

    half_life: float
    """Half-life in positions once the run is long enough."""
    first_half_life: float = 10.0
    """Half-life at the start."""
    growth: float = 0.25
    """Growth of the half-life per position."""

    def decay(self, position: int, advance: int) -> float:
        """Return the share of the average that is kept over ``advance`` positions."""
        half_life = min(self.half_life, self.first_half_life + position * self.growth)
        decay: float = 0.5 ** (advance / half_life)
        return decay
