# SPDX-License-Identifier: Apache-2.0
"""Training of the upscaler:

PSNR of every map of every scan, each counting the same, and frozen features of the colour.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.channels import CLEAN_SCALE, SCALES
from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.networks.layers import channels_last
from texgen_server.networks.params import UpscalerParams
from texgen_server.networks.upscaler import Upscaler, bicubic
from texgen_server.precision.autocast import quick
from texgen_server.training.distributed import Workers
from texgen_server.training.state import Networks, Optimizers, read_tensors, write_tensors
from texgen_server.training.upscaler.data import MAPS, FullScans, Pairs
from texgen_server.training.upscaler.errors import map_errors

HEADS = (CLEAN_SCALE, *SCALES)
METALLIC_WEIGHT = 2.0
"""How much more often than others scans are seen that have a metallic map: few do."""
MAP_WEIGHTS = {"basecolor": 3.0, "metallic": 2.0}
"""How much more than others these maps count: they gain least, while heights and normals are far
ahead of any filter.
"""
CLEAN_LEAST_ERROR = (2.0 / 255.0) ** 2
"""Added to squared errors of x1 before their logarithm, lest a clean map be worth more than all
others.
"""


@dataclass(frozen=True)
class UpscalerConfig:
    """What shapes a run."""

    steps: int = 12000
    batch: int = 8
    """Of all workers together."""
    small_px: int = 80
    """Edge of the small crops; ``margin_px`` on each side is not judged, as it lacks its
    surroundings.
    """
    margin_px: int = 8
    shares: tuple[float, float, float] = (0.15, 0.3, 0.55)
    """How often a step is at x1, x2, x4."""
    lr: float = 6e-4
    features: float = 0.0
    """Weight of the distance of frozen features, beside a loss of 1 for all of bicubic's error."""
    ema_half_life_steps: float = 300.0
    seed: int = 0
    params: UpscalerParams = field(default_factory=UpscalerParams)


class UpscalerTrainer:
    """Holds the network, its average and the optimiser."""

    def __init__(
        self,
        scans: FullScans,
        train: list[int],
        config: UpscalerConfig,
        workers: Workers | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.scans, self.config, self.workers = scans, config, workers or Workers()
        self.train_index = torch.tensor(train)
        self.weights = (
            1.0 + METALLIC_WEIGHT * scans.known[self.train_index, MAPS.index("metallic")].float()
        )
        self.map_weights = torch.tensor([MAP_WEIGHTS.get(name, 1.0) for name in MAPS])
        self.network = channels_last(Upscaler(config.params))
        self.ema = copy.deepcopy(self.network).eval().requires_grad_(requires_grad=False)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), config.lr, betas=(0.9, 0.99), fused=True
        )
        self.features = FrozenFeatures("efficientnet-lite0") if config.features else None
        self.step_number = 0
        self.random = torch.Generator().manual_seed(self.stream_seed())

    def run(self) -> Iterator[dict[str, float]]:
        """Train to the end; yields each step's losses."""
        while self.step_number < self.config.steps:
            yield self.step()

    def step(self) -> dict[str, float]:
        """One update."""
        config = self.config
        scale = self._scale()
        count = config.batch // self.workers.count
        chosen = self.train_index[
            torch.multinomial(self.weights, count, replacement=True, generator=self.random)
        ]
        pairs = self.scans.pairs(chosen, scale, config.small_px, self.random)
        small = pairs.small.contiguous(memory_format=torch.channels_last)
        with quick("cpu"):
            full = (
                self.network(small, scale),
                F.pixel_shuffle(bicubic(pairs.small, scale), scale),
                pairs.large,
            )
        cut = config.margin_px * scale
        made, base, real = (m[..., cut:-cut, cut:-cut] for m in full)
        judged = pairs.judged > 0
        errors, before = map_errors(made, real)[judged], map_errors(base, real)[judged]
        if scale == CLEAN_SCALE:  # what it was spoiled with differs from crop to crop
            gained = torch.log((errors + CLEAN_LEAST_ERROR) / (before + CLEAN_LEAST_ERROR))
        # the slope of a scan's PSNR: crops without detail weigh what they weigh in the scan's
        # error, next to nothing
        else:
            whole = torch.where(
                pairs.made_up[judged],
                before + CLEAN_LEAST_ERROR,
                self.scans.bicubic_errors(scale)[chosen][judged],
            )
            gained = (errors - before) / whole
        weights = self.map_weights.expand_as(judged)[judged]
        loss = (gained * weights).sum() / weights.sum()
        if self.features and scale != CLEAN_SCALE:
            loss = loss + config.features * self._feature_distance(self.features, made, real, pairs)
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * min(
                1.0,
                (self.step_number + 1) / 100,
                0.02 + 2.0 * (1.0 - self.step_number / config.steps),
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.workers.average_gradients(list(self.network.parameters()))
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        keep = 0.5 ** (1.0 / min(config.ema_half_life_steps, 10.0 + self.step_number / 4))
        torch._foreach_lerp_(
            list(self.ema.parameters()), list(self.network.parameters()), 1.0 - keep
        )
        self.step_number += 1
        share = torch.zeros(judged.shape).masked_scatter(judged, gained.detach())
        now = {
            f"x{scale}_{name}_gain": float(-share[judged[:, i], i].mean())
            for i, name in enumerate(MAPS)
            if judged[:, i].any()
        }
        return {"scale": scale, "loss": float(loss.detach()), **now}

    def _scale(self) -> int:
        """The same on all workers: the step number seeds the choice."""
        random = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.step_number)
        return HEADS[int(torch.multinomial(torch.tensor(self.config.shares), 1, generator=random))]

    def stream_seed(self) -> int:
        """Of the random stream: another one on each worker, and after each start."""
        return self.config.seed + self.step_number * 17 + self.workers.rank * 1_000_003

    def _feature_distance(
        self, features: FrozenFeatures, made: Tensor, real: Tensor, pairs: Pairs
    ) -> Tensor:
        """Mean distance of frozen features of the basecolor, where there is one."""
        there = pairs.judged[:, 0] > 0
        if not there.any():
            return made.new_zeros(())
        with torch.no_grad():
            aims = features(real[there, :3] * 2.0 - 1.0)
        taps = features(made[there, :3].clamp(0.0, 1.0) * 2.0 - 1.0)
        terms = [
            (a.float() - b.float()).abs().mean() / b.float().abs().mean().clamp_min(1e-3)
            for a, b in zip(taps, aims, strict=True)
        ]
        return torch.stack(terms).mean()


def save_upscaler(trainer: UpscalerTrainer, path: Path) -> None:
    """Write everything `load_upscaler` needs, atomically."""
    write_tensors(*_held(trainer), path, {"steps": str(trainer.step_number)})


def load_upscaler(trainer: UpscalerTrainer, path: Path) -> None:
    """Continue where `save_upscaler` stood (but for the random stream, which starts anew)."""
    _, about = read_tensors(*_held(trainer), path)
    trainer.step_number = int(about["steps"])
    trainer.random.manual_seed(trainer.stream_seed())


def _held(trainer: UpscalerTrainer) -> tuple[Networks, Optimizers]:
    return {"network": trainer.network, "ema": trainer.ema}, {"optimizer": trainer.optimizer}
