# SPDX-License-Identifier: Apache-2.0
"""Notices when a run diverges and puts it back to its last good state, with a smaller learning
rate.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from texgen.errors import TexgenError

if TYPE_CHECKING:
    from texgen_server.training.material.loop import Trainer

WINDOW_STEPS = 200
FEWEST_STEPS = 50
TOO_FAR = 4.0
"""A statistics loss of this many times its own recent median, over `PATIENCE` steps in a row, is
divergence; a loss that is no number at once.
"""
PATIENCE = 20
KEEP_EVERY_IMAGES = 1000
MAX_ROLLBACKS = 5


class DivergedError(TexgenError):
    """Training went wrong again and again."""


class Watch:
    """One for each worker; all decide alike, because they share the verdict."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._recent: deque[float] = deque(maxlen=WINDOW_STEPS)
        self._bad = 0
        self.rollbacks = 0
        self._good = self._snapshot()

    def after_step(self, record: dict[str, float]) -> bool:
        """Look at a step's losses; True when the run was put back.

        Raises DivergedError when that has happened too often.
        """
        if self._trainer.workers.any(self._diverged(record)):
            self._roll_back()
            return True
        if self._trainer.images - self._good[0] >= KEEP_EVERY_IMAGES and not self._bad:
            self._good = self._snapshot()
        return False

    def _diverged(self, record: dict[str, float]) -> bool:
        if not all(math.isfinite(value) for value in record.values()):
            return True
        value = record["statistics"]
        far = len(self._recent) >= FEWEST_STEPS and value > TOO_FAR * median(self._recent)
        self._bad = self._bad + 1 if far else 0
        if not far:
            self._recent.append(value)
        return self._bad >= PATIENCE

    def _roll_back(self) -> None:
        self.rollbacks += 1
        if self.rollbacks > MAX_ROLLBACKS:
            raise DivergedError(
                f"training diverged {self.rollbacks} times: start from the last state with a "
                f"smaller learning rate"
            )
        trainer = self._trainer
        images, tensors = self._good
        with torch.no_grad():
            for target, kept in zip(_tensors(trainer), tensors, strict=True):
                target.copy_(kept)
        trainer.images = images
        trainer.rate *= 0.5
        trainer.random.manual_seed(
            trainer.config.seed * 1000 + trainer.workers.rank + images * 17 + self.rollbacks
        )
        self._bad = 0
        self._recent.clear()

    def _snapshot(self) -> tuple[int, list[Tensor]]:
        return self._trainer.images, [t.detach().clone() for t in _tensors(self._trainer)]


def _tensors(trainer: Trainer) -> list[Tensor]:
    """All that training changes, in a fixed order.

    Optimisers that have not stepped yet are given their (empty) state first.
    """
    modules = (
        trainer.generator,
        trainer.codes,
        trainer.discriminator,
        trainer.ema_generator,
        trainer.ema_codes,
    )
    found = [t for module in modules for t in (*module.parameters(), *module.buffers())]
    for optimizer in (trainer.optimizer_g, trainer.optimizer_d):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                slots = optimizer.state[parameter]
                if not slots:
                    slots["step"] = torch.zeros(
                        (), device=parameter.device if group.get("fused") else "cpu"
                    )
                    slots["exp_avg"] = torch.zeros_like(parameter)
                    slots["exp_avg_sq"] = torch.zeros_like(parameter)
                found += [slots["step"], slots["exp_avg"], slots["exp_avg_sq"]]
    return found
