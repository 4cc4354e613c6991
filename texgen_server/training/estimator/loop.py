# SPDX-License-Identifier: Apache-2.0
"""Training of the estimator: root-mean-square error of every missing map, and of its detail alone,
in units of how much materials differ.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from texgen_server.networks.channels import ESTIMATE_PX, ESTIMATED, MAP_CHANNELS
from texgen_server.networks.estimator import Estimator
from texgen_server.networks.layers import channels_last
from texgen_server.networks.params import EstimatorParams
from texgen_server.precision.autocast import quick
from texgen_server.training.estimator.data import (
    MAPS,
    TileSource,
    random_presence,
    seen_input,
    targets,
)
from texgen_server.training.state import Networks, Optimizers, read_tensors, write_tensors

LEVEL_SPREAD = {"normal": 0.07, "roughness": 0.24, "metallic": 0.28, "height": 0.13, "ao": 0.12}
DETAIL_SPREAD = {"normal": 0.07, "roughness": 0.05, "metallic": 0.03, "height": 0.13, "ao": 0.07}
"""Deviation of the means of maps over training materials, and within them: what errors are measured
in. Slopes and heights have no mean of their own.
"""
DETAIL_WEIGHT, LEAST_SQUARE = 0.5, 1e-5
STEPS_PX = {ESTIMATE_PX // 2: (0.75, 3), ESTIMATE_PX: (0.25, 1)}
"""Edge of the tiles of a step -> how often, and in how many times the batch: small ones cost a
quarter.
"""


@dataclass(frozen=True)
class EstimatorConfig:
    """What shapes a run."""

    steps: int = 3000
    batch: int = 8
    lr: float = 1e-3
    weight_decay: float = 0.02
    ema_half_life_steps: float = 200.0
    seed: int = 0


class EstimatorTrainer:
    """Holds the network, its average and the optimiser."""

    def __init__(
        self, source: TileSource, train: list[int], params: EstimatorParams, config: EstimatorConfig
    ) -> None:
        torch.manual_seed(config.seed)
        self.source, self.config = source, config
        self.train_index = torch.tensor(train)
        self.weights = balanced(source, self.train_index)
        self.network = channels_last(Estimator(params))
        self.ema = copy.deepcopy(self.network).eval().requires_grad_(requires_grad=False)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), config.lr, weight_decay=config.weight_decay, fused=True
        )
        self.step_number = 0
        self.random = torch.Generator().manual_seed(config.seed)

    def run(self) -> Iterator[dict[str, float]]:
        """Train to the end; yields each step's errors."""
        while self.step_number < self.config.steps:
            yield self.step()

    def _size_px(self) -> int:
        shares = torch.tensor([share for share, _ in STEPS_PX.values()])
        return list(STEPS_PX)[int(torch.multinomial(shares, 1, generator=self.random))]

    def step(self) -> dict[str, float]:
        """One update."""
        config = self.config
        size_px = self._size_px()
        count = config.batch * STEPS_PX[size_px][1]
        chosen = self.train_index[
            torch.multinomial(self.weights, count, replacement=True, generator=self.random)
        ]
        tiles = self.source.random(chosen, size_px, self.random)
        there = random_presence(count, self.random)
        with quick("cpu"):
            made = self.network(
                seen_input(tiles.maps, there).contiguous(memory_format=torch.channels_last),
                tiles.classes,
            )
        errors = map_errors(made.float(), targets(tiles.maps))
        missing = 1.0 - there[:, [MAPS.index(name) for name in ESTIMATED]]
        loss = (errors * (0.1 + missing)).mean()
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * min(
                1.0,
                (self.step_number + 1) / 100,
                0.02 + 2.0 * (1.0 - self.step_number / config.steps),
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        keep = 0.5 ** (1.0 / min(config.ema_half_life_steps, 10.0 + self.step_number / 4))
        torch._foreach_lerp_(
            list(self.ema.parameters()), list(self.network.parameters()), 1.0 - keep
        )
        self.step_number += 1
        now = {
            name: float(errors[missing[:, i] > 0, i].detach().mean())
            for i, name in enumerate(ESTIMATED)
            if (missing[:, i] > 0).any()
        }
        return {"loss": float(loss.detach()), **now}


def images_seen(steps: int, batch: int) -> int:
    """About how many tiles so many steps saw."""
    return round(steps * batch * sum(share * times for share, times in STEPS_PX.values()))


def map_errors(made: Tensor, real: Tensor) -> Tensor:
    """(B, 5) error of each estimated map of each picture: all of it, plus its detail alone."""
    errors, first = [], 0
    for name in ESTIMATED:
        channels = MAP_CHANNELS[name]
        difference = (made - real)[:, first : first + channels]
        mean_square = (difference * difference).mean((1, 2, 3))
        detail = (mean_square - difference.mean((2, 3)).square().mean(1)).clamp_min(0.0)
        whole_error = torch.sqrt(mean_square + LEAST_SQUARE) / LEVEL_SPREAD[name]
        errors.append(
            whole_error + DETAIL_WEIGHT * torch.sqrt(detail + LEAST_SQUARE) / DETAIL_SPREAD[name]
        )
        first += channels
    return torch.stack(errors, 1)


def balanced(source: TileSource, index: Tensor) -> Tensor:
    """Chances of materials, so that a class counts with the root of its size."""
    rows = source.class_rows[index]
    counts = torch.stack([(rows == row).sum() for row in rows]).float()
    return counts.rsqrt()


def save_estimator(trainer: EstimatorTrainer, path: Path) -> None:
    """Write everything `load_estimator` needs, atomically."""
    write_tensors(*_held(trainer), path, {"steps": str(trainer.step_number)})


def load_estimator(trainer: EstimatorTrainer, path: Path) -> None:
    """Continue where `save_estimator` stood (but for the random stream, which starts anew)."""
    _, about = read_tensors(*_held(trainer), path)
    trainer.step_number = int(about["steps"])
    trainer.random.manual_seed(trainer.config.seed + trainer.step_number * 17)


def _held(trainer: EstimatorTrainer) -> tuple[Networks, Optimizers]:
    return {"network": trainer.network, "ema": trainer.ema}, {"optimizer": trainer.optimizer}
