# SPDX-License-Identifier: Apache-2.0
"""The trainer of the estimator: root-mean-square error of every missing map, and of its detail
alone, in units of how much materials differ.
"""

from __future__ import annotations

import torch
from torch import Tensor

from texgen_server.networks.channels import ESTIMATE_PX, ESTIMATED, split_channels
from texgen_server.networks.estimator import Estimator
from texgen_server.networks.layers import channels_last
from texgen_server.networks.params import EstimatorParams
from texgen_server.precision.autocast import quick
from texgen_server.training.distributed import Workers
from texgen_server.training.estimator.data import (
    MAPS,
    TileSource,
    estimator_input,
    random_presence,
    targets,
)
from texgen_server.training.estimator.settings import EstimatorConfig
from texgen_server.training.trainer import FixedLengthTrainer, Record, averaged

LEVEL_SPREAD = {"normal": 0.07, "roughness": 0.24, "metallic": 0.28, "height": 0.13, "ao": 0.12}
"""Deviation of the means of maps over training materials: the unit of their errors. Slopes and
heights have no mean of their own.
"""
DETAIL_SPREAD = {"normal": 0.07, "roughness": 0.05, "metallic": 0.03, "height": 0.13, "ao": 0.07}
"""Deviation of maps within training materials: the unit of errors of detail."""
DETAIL_WEIGHT = 0.5
MIN_SQUARE = 1e-5
"""Added to mean squares before their root."""
GIVEN_WEIGHT = 0.1
"""Weight of maps that are given, beside 1 more for those that are missing."""
ESTIMATED_COLUMNS = [MAPS.index(name) for name in ESTIMATED]
"""Columns of estimated maps in a table of presence."""
STEP_SIZES = {ESTIMATE_PX // 2: (0.75, 3), ESTIMATE_PX: (0.25, 1)}
"""Edge of the tiles of a step in px -> its share of the steps, and how many times the batch it
takes: small ones cost a quarter.
"""


class EstimatorTrainer(FixedLengthTrainer):
    """The network, its average and the optimiser."""

    def __init__(
        self,
        source: TileSource,
        train: list[int],
        params: EstimatorParams,
        config: EstimatorConfig,
        device: torch.device,
        workers: Workers | None = None,
    ) -> None:
        super().__init__(config, device, workers)
        self.source, self.config = source, config
        self.train_index = torch.tensor(train)
        self.weights = class_weights(source, self.train_index)
        self.network = channels_last(Estimator(params).to(device))
        self.ema = averaged(self.network)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), config.lr, weight_decay=config.weight_decay, fused=True
        )
        self.networks = {"network": self.network, "ema": self.ema}
        self.optimizers = {"optimizer": self.optimizer}
        self.averages = [(self.ema, self.network)]

    def step(self) -> Record:
        """Make one update; returns the loss and the error of each map that was missing."""
        size_px = self._size_px()
        count = self.config.batch * STEP_SIZES[size_px][1] // self.workers.count
        chosen = self.train_index[
            torch.multinomial(self.weights, count, replacement=True, generator=self.random)
        ]
        tiles = self.source.random(chosen, size_px, self.random)
        presence = random_presence(count, self.random)
        missing = (1.0 - presence[:, ESTIMATED_COLUMNS]).to(self.device)
        maps, classes = tiles.maps.to(self.device), tiles.classes.to(self.device)
        given = estimator_input(maps, presence.to(self.device))
        given = given.contiguous(memory_format=torch.channels_last)
        with quick(self.device):
            made = self.network(given, classes)
        errors = map_errors(made.float(), targets(maps))
        loss = (errors * (GIVEN_WEIGHT + missing)).mean()
        self.update(self.optimizer, loss, self.config.lr, self.config.clip_norm)
        self.advance()
        return {"loss": float(loss.detach()), **_mean_errors(errors.detach(), missing)}

    def _size_px(self) -> int:
        """Pick the edge of a step's tiles."""
        shares = torch.tensor([share for share, _ in STEP_SIZES.values()])
        return list(STEP_SIZES)[int(torch.multinomial(shares, 1, generator=self.random))]


def _mean_errors(errors: Tensor, missing: Tensor) -> Record:
    """Return the mean error of each map over the pictures that lack it."""
    return {
        name: float(errors[missing[:, i] > 0, i].mean())
        for i, name in enumerate(ESTIMATED)
        if (missing[:, i] > 0).any()
    }


def images_seen(steps: int, batch: int) -> int:
    """Return about how many tiles so many steps see."""
    return round(steps * batch * sum(share * times for share, times in STEP_SIZES.values()))


def map_errors(made: Tensor, real: Tensor) -> Tensor:
    """Return (B, 5): the error of each estimated map of each picture, all of it plus its detail
    alone.
    """
    errors = []
    for name, difference in split_channels(made - real, ESTIMATED, axis=1).items():
        mean_square = (difference * difference).mean((1, 2, 3))
        detail = (mean_square - difference.mean((2, 3)).square().mean(1)).clamp_min(0.0)
        whole = torch.sqrt(mean_square + MIN_SQUARE) / LEVEL_SPREAD[name]
        fine = torch.sqrt(detail + MIN_SQUARE) / DETAIL_SPREAD[name]
        errors.append(whole + DETAIL_WEIGHT * fine)
    return torch.stack(errors, 1)


def class_weights(source: TileSource, index: Tensor) -> Tensor:
    """Return the sampling weight of each material: a class counts with the root of its size."""
    rows = source.class_rows[index]
    counts = torch.stack([(rows == row).sum() for row in rows]).float()
    return counts.rsqrt()
