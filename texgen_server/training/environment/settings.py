# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run of the environment generator."""

from __future__ import annotations

from dataclasses import dataclass, field

from texgen_server.networks.params import EnvironmentParams
from texgen_server.training.schedule import EmaSchedule, WarmupDecay

EMA = EmaSchedule(half_life=200.0)
"""Half-life of the averaged weights, in steps."""
SCHEDULE = WarmupDecay(warmup=50, final_factor=0.05)
"""Learning rates of all optimisers, in steps."""


@dataclass(frozen=True)
class EnvironmentConfig:
    """Settings of a run."""

    steps: int = 6000
    batch: int = 6
    """Windows of a step, of all workers together."""
    lr: float = 1e-3
    lr_discriminator: float = 2e-4
    betas: tuple[float, float] = (0.0, 0.99)
    """Adam's decay rates."""
    clip_norm: float = 10.0
    """Largest norm of all gradients of an optimiser together."""
    coarse: float = 4.0
    """Weight of the distance of averaged maps."""
    features: float = 1.0
    """Weight of the distance of frozen features."""
    adversarial: float = 0.1
    penalty: float = 1.0
    """Weight of the gradient penalty."""
    warmup_steps: int = 250
    """Steps without the adversarial loss, which then rises to its weight over as many again."""
    mixed_share: float = 0.4
    """Share of windows in which a place stands under the sky of another map of its class."""
    code_noise: float = 0.05
    """Deviation of the noise that is added to codes."""
    ema: EmaSchedule = EMA
    schedule: WarmupDecay = SCHEDULE
    seed: int = 0
    params: EnvironmentParams = field(default_factory=EnvironmentParams)

    @property
    def total(self) -> int:
        """Steps of the run."""
        return self.steps
