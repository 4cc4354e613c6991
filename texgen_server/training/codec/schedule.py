# SPDX-License-Identifier: Apache-2.0
"""Wall-clock schedules of codec training."""

from __future__ import annotations

import math
import time

WARMUP_STEPS, FINAL_FACTOR = 200, 0.004
"""Steps of the first phase until the full learning rate, and its factor at the end."""
JOINS_WARMUP_STEPS, JOINS_FINAL_FACTOR = 300, 0.02
"""Steps of the second phase until the full learning rate, and its factor at the end."""
DECAY_SHARE = 0.4
"""Share of the second phase over which its learning rates fall, at its end."""


class Clock:
    """The share of a run's minutes that has passed; earlier sessions of the same run count."""

    def __init__(self, minutes: float, spent_s: float = 0.0) -> None:
        self.minutes, self._before = minutes, spent_s
        self._started = time.monotonic()

    @property
    def spent_s(self) -> float:
        """Seconds that the run has taken so far."""
        return self._before + time.monotonic() - self._started

    @property
    def share(self) -> float:
        """Share of the run: 0 at the start, 1 when the time is up."""
        return 1.0 if self.minutes <= 0 else min(1.0, self.spent_s / 60.0 / self.minutes)


def cosine(share: float, step: int) -> float:
    """Return the learning-rate factor of the first phase: a warm-up by steps, then half a cosine
    over the time.
    """
    half = 0.5 + 0.5 * math.cos(math.pi * share)
    return min(1.0, (step + 1) / WARMUP_STEPS) * (FINAL_FACTOR + (1.0 - FINAL_FACTOR) * half)


def late_decay(share: float, step: int) -> float:
    """Return the learning-rate factor of the second phase: a warm-up by steps, a constant rate, and
    a linear fall over the last `DECAY_SHARE` of the time.
    """
    decay = 1.0
    if share >= 1.0 - DECAY_SHARE:
        decay = max(JOINS_FINAL_FACTOR, (1.0 - share) / DECAY_SHARE)
    return decay * min(1.0, (step + 1) / JOINS_WARMUP_STEPS)
