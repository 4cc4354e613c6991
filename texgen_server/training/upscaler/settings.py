# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run of the upscaler."""

from __future__ import annotations

from dataclasses import dataclass, field

from texgen_server.networks.params import UpscalerParams
from texgen_server.training.schedule import EmaSchedule, WarmupDecay

EMA = EmaSchedule(half_life=300.0)
"""Half-life of the averaged weights, in steps."""
SCHEDULE = WarmupDecay(warmup=100, final_factor=0.02)
"""Learning rates of all optimisers, in steps."""


@dataclass(frozen=True)
class UpscalerConfig:
    """Settings of a run."""

    steps: int = 12000
    batch: int = 8
    """Crops of a step, of all workers together."""
    small_px: int = 80
    """Edge of the small crops."""
    margin_px: int = 8
    """Border of the small crops that is not judged, as it lacks its surroundings."""
    shares: tuple[float, float, float] = (0.15, 0.3, 0.55)
    """Shares of the steps at x1, x2 and x4."""
    lr: float = 6e-4
    betas: tuple[float, float] = (0.9, 0.99)
    """Adam's decay rates."""
    clip_norm: float = 1.0
    """Largest norm of all gradients together."""
    features: float = 0.0
    """Weight of the distance of frozen features, beside a loss of 1 for all of bicubic's error."""
    ema: EmaSchedule = EMA
    schedule: WarmupDecay = SCHEDULE
    seed: int = 0
    params: UpscalerParams = field(default_factory=UpscalerParams)

    @property
    def total(self) -> int:
        """Steps of the run."""
        return self.steps
