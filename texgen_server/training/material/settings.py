# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run of the material GAN."""

from __future__ import annotations

from dataclasses import dataclass, field

from texgen_server.networks.params import MaterialParams
from texgen_server.training.schedule import EmaSchedule, FinalDecay

EMA = EmaSchedule(half_life=4000.0, first_half_life=100.0, growth=0.1)
"""Half-life of the averaged weights, in images."""
SCHEDULE = FinalDecay(share=0.3)
"""Learning rates of all optimisers, in images."""


@dataclass(frozen=True)
class Stage:
    """A part of a run with one size of training image and the densities it is cut at."""

    size_px: int
    images: int
    densities: dict[int, float]
    """Density (px per tile) -> its probability."""


@dataclass(frozen=True)
class MaterialConfig:
    """Settings of a run."""

    stages: tuple[Stage, ...]
    batch: int = 16
    """Images of a step, of all workers together."""
    lr_generator: float = 1e-3
    lr_discriminator: float = 3e-4
    betas: tuple[float, float] = (0.0, 0.99)
    """Adam's decay rates."""
    warmup_images: int = 2500
    """Images without the adversarial loss, which then rises to its weight over as many again."""
    game: str = "relativistic"
    """Adversarial loss: hinge, relativistic, wgan-gp (`adversarial.GAMES`)."""
    adversarial: float = 1.0
    penalty: float = 1.0
    """Weight of the gradient penalty, for games that have one."""
    statistics: float = 8.0
    layout: float = 2.0
    spectrum: float = 0.3
    guide: float = 16.0
    """Weight of the mean distance of a guided crop from its guide."""
    scanned_guides: float = 0.8
    """Share of the guided steps without mixed codes whose guides are the scans'; the others' are
    the coarse pass's own.
    """
    code_noise: float = 0.1
    """Deviation of the noise that is added to codes."""
    mixed_share: float = 0.15
    """Share of images whose code is mixed from two materials of a class."""
    ema: EmaSchedule = EMA
    schedule: FinalDecay = SCHEDULE
    seed: int = 0
    params: MaterialParams = field(default_factory=MaterialParams)

    @property
    def total(self) -> int:
        """Images of all stages together."""
        return sum(s.images for s in self.stages)
