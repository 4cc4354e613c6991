# SPDX-License-Identifier: Apache-2.0
"""What shapes a training run."""

from __future__ import annotations

from dataclasses import dataclass, field

from texgen_server.networks.params import MaterialParams


@dataclass(frozen=True)
class Stage:
    """One size of training image and the densities (px per tile) it is cut from, with their
    probabilities.
    """

    size_px: int
    images: int
    densities: dict[int, float]


@dataclass(frozen=True)
class TrainConfig:
    """Everything that shapes a run; written into the log."""

    stages: tuple[Stage, ...]
    batch: int = 16
    lr_generator: float = 1e-3
    lr_discriminator: float = 3e-4
    warmup_images: int = (
        2500  # statistics only, then the adversarial loss ramps in over as many again
    )
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
    mixed_share: float = 0.15
    ema_half_life_images: float = 4000.0
    final_decay_share: float = 0.3  # the last part of all images runs on a falling learning rate
    seed: int = 0
    params: MaterialParams = field(default_factory=MaterialParams)

    @property
    def total_images(self) -> int:
        """Images over all stages."""
        return sum(s.images for s in self.stages)
