# SPDX-License-Identifier: Apache-2.0
"""The base of both phases of codec training: schedules follow the clock instead of a number of
steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from texgen_server.training.codec.pixels import PictureSet
from texgen_server.training.codec.schedule import Clock
from texgen_server.training.codec.settings import CodecConfig
from texgen_server.training.trainer import Trainer

CHARBONNIER = 0.03
"""Size of a weighted error below which it counts by its square, above by its size."""


class CodecTrainer(Trainer[Tensor]):
    """A trainer whose run ends when its minutes are up; positions are steps."""

    def __init__(self, pictures: PictureSet, config: CodecConfig, minutes: float) -> None:
        super().__init__(config.seed, pictures.device)
        self.config, self.pictures = config, pictures
        self.clock = Clock(minutes)
        self.random = torch.Generator(pictures.device)
        self.restart_random()

    @property
    def finished(self) -> bool:
        """Tell whether the time is up."""
        return self.clock.share >= 1.0

    def ema_decay(self, count: int) -> float:
        """Return the share of the averaged weights that is kept: less in the first steps."""
        step = self.position + count
        return min(self.config.ema_decay, (1.0 + step) / (10.0 + step))

    def metadata(self) -> dict[str, str]:
        """Return steps and seconds so far."""
        return {"step": str(self.position), "spent_s": str(self.clock.spent_s)}

    def restore(self, metadata: dict[str, str]) -> None:
        """Take over what `metadata` returned."""
        self.position = int(metadata["step"])
        self.clock = Clock(self.clock.minutes, float(metadata["spent_s"]))


def charbonnier(error: Tensor) -> Tensor:
    """Return ``sqrt(e^2 + c^2) - c`` of weighted errors (Charbonnier et al. 1994)."""
    return torch.sqrt(error.float().square() + CHARBONNIER**2) - CHARBONNIER
