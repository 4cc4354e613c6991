# SPDX-License-Identifier: Apache-2.0
"""Detects that a run diverges and rolls it back to its last good state, at a smaller learning
rate.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median

import torch
from torch import Tensor

from texgen.errors import TexgenError
from texgen_server.training.trainer import FixedLengthTrainer, Record

RECENT_STEPS = 200
FEWEST_STEPS = 50
DIVERGED_RATIO = 4.0
"""Ratio of a loss to its recent median that is divergence over `PATIENCE_STEPS` steps in a row; a
figure that is not finite is divergence at once.
"""
PATIENCE_STEPS = 20
SNAPSHOT_EVERY = 1000
"""Distance between snapshots of a good state, in the trainer's unit."""
MAX_ROLLBACKS = 5
RATE_AFTER_ROLLBACK = 0.5
"""Factor of the learning rate for each rollback."""


class DivergedError(TexgenError):
    """Training diverged again after `MAX_ROLLBACKS` rollbacks."""


class DivergenceGuard:
    """A check after each step; every worker has one, and all decide alike because they share the
    verdict.
    """

    def __init__(self, trainer: FixedLengthTrainer, watched: str) -> None:
        """``watched`` is the name of the figure whose growth counts as divergence."""
        self._trainer, self._watched = trainer, watched
        self._recent: deque[float] = deque(maxlen=RECENT_STEPS)
        self._high_steps = 0
        self.rollbacks = 0
        self._good = self._snapshot()

    def after_step(self, record: Record) -> bool:
        """Check a step's figures; returns True when the run was rolled back.

        Raises DivergedError after `MAX_ROLLBACKS` rollbacks.
        """
        if self._trainer.workers.any(self._diverged(record)):
            self._roll_back()
            return True
        if self._trainer.position - self._good[0] >= SNAPSHOT_EVERY and not self._high_steps:
            self._good = self._snapshot()
        return False

    def _diverged(self, record: Record) -> bool:
        if not all(math.isfinite(value) for value in record.values()):
            return True
        value = record[self._watched]
        high = len(self._recent) >= FEWEST_STEPS and value > DIVERGED_RATIO * median(self._recent)
        self._high_steps = self._high_steps + 1 if high else 0
        if not high:
            self._recent.append(value)
        return self._high_steps >= PATIENCE_STEPS

    def _roll_back(self) -> None:
        self.rollbacks += 1
        if self.rollbacks > MAX_ROLLBACKS:
            raise DivergedError(
                f"training diverged {self.rollbacks} times: start from the last state with a "
                f"smaller learning rate"
            )
        trainer = self._trainer
        trainer.position, tensors = self._good
        with torch.no_grad():
            for target, saved in zip(_state_tensors(trainer), tensors, strict=True):
                target.copy_(saved)
        trainer.rate_scale *= RATE_AFTER_ROLLBACK
        trainer.random.manual_seed(trainer.stream_seed() + self.rollbacks)
        self._high_steps = 0
        self._recent.clear()

    def _snapshot(self) -> tuple[int, list[Tensor]]:
        tensors = [t.detach().clone() for t in _state_tensors(self._trainer)]
        return self._trainer.position, tensors


def _state_tensors(trainer: FixedLengthTrainer) -> list[Tensor]:
    """Return all tensors that training changes, in a fixed order.

    An optimiser that has made no step yet is given its empty state first.
    """
    modules = trainer.networks.values()
    found = [t for module in modules for t in (*module.parameters(), *module.buffers())]
    for optimizer in trainer.optimizers.values():
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
