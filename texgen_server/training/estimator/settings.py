# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run of the estimator."""

from __future__ import annotations

from dataclasses import dataclass

from texgen_server.training.schedule import EmaSchedule, WarmupDecay

EMA = EmaSchedule(half_life=200.0)
"""Half-life of the averaged weights, in steps."""
SCHEDULE = WarmupDecay(warmup=100, final_factor=0.02)
"""Learning rates of all optimisers, in steps."""


@dataclass(frozen=True)
class EstimatorConfig:
    """Settings of a run."""

    steps: int = 3000
    batch: int = 8
    """Large tiles of a step, of all workers together; small tiles come in several times as many."""
    lr: float = 1e-3
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    """Largest norm of all gradients together."""
    ema: EmaSchedule = EMA
    schedule: WarmupDecay = SCHEDULE
    seed: int = 0

    @property
    def total(self) -> int:
        """Steps of the run."""
        return self.steps
