# SPDX-License-Identifier: Apache-2.0
"""Training of the upscaler: PSNR of every map of every crop, each counting the same, and frozen features of the colour."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.channels import CLEAN_SCALE, MAP_CHANNELS, SCALES, SLOPE_UNIT
from texgen_server.features import FrozenFeatures
from texgen_server.networks.layers import channels_last
from texgen_server.networks.upscaler import Upscaler, UpscalerParams, bicubic
from texgen_server.training.distributed import Workers
from texgen_server.training.state import Networks, Optimizers, read_tensors, write_tensors
from texgen_server.training.upscaler.data import MAPS, FullScans, Pairs

HEADS = (CLEAN_SCALE, *SCALES)
LEAST_ERROR, CLEAN_LEAST_ERROR = (0.1 / 255.0) ** 2, (2.0 / 255.0) ** 2
"""Added to squared errors before their logarithm: what 8 bits cannot hold need not be learned; nor is a clean map worth more than all."""


@dataclass(frozen=True)
class UpscalerConfig:
    """What shapes a run."""

    steps: int = 12000
    batch: int = 12
    """Of all workers together."""
    small_px: int = 80
    """Edge of the small crops; ``margin_px`` on each side is not judged, as it lacks its surroundings."""
    margin_px: int = 8
    shares: tuple[float, float, float] = (0.15, 0.3, 0.55)
    """How often a step is at x1, x2, x4."""
    lr: float = 1e-3
    features: float = 0.0
    """Weight of the distance of frozen features, beside a loss of 1 for 4.3 dB."""
    ema_half_life_steps: float = 300.0
    seed: int = 0
    params: UpscalerParams = field(default_factory=UpscalerParams)


class UpscalerTrainer:
    """Holds the network, its average and the optimiser."""

    def __init__(self, scans: FullScans, train: list[int], config: UpscalerConfig, workers: Workers | None = None) -> None:
        torch.manual_seed(config.seed)
        self.scans, self.config, self.workers = scans, config, workers or Workers()
        self.train_index = torch.tensor(train)
        self.network = channels_last(Upscaler(config.params))
        self.ema = copy.deepcopy(self.network).eval().requires_grad_(requires_grad=False)
        self.optimizer = torch.optim.Adam(self.network.parameters(), config.lr, betas=(0.9, 0.99), fused=True)
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
        chosen = self.train_index[torch.randint(len(self.train_index), (count,), generator=self.random)]
        pairs = self.scans.pairs(chosen, scale, config.small_px, self.random)
        small = pairs.small.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            full = (self.network(small, scale), F.pixel_shuffle(bicubic(pairs.small, scale), scale), pairs.large)
        cut = config.margin_px * scale
        made, base, real = (m[..., cut:-cut, cut:-cut] for m in full)
        judged = pairs.judged > 0
        errors, before = map_errors(made, real)[judged], map_errors(base, real)[judged]
        least = CLEAN_LEAST_ERROR if scale == CLEAN_SCALE else LEAST_ERROR
        gained = torch.log((errors + least) / (before + least))
        loss = gained.mean()
        if self.features and scale != CLEAN_SCALE:
            loss = loss + config.features * self._feature_distance(self.features, made, real, pairs)
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * min(1.0, (self.step_number + 1) / 100, 0.02 + 2.0 * (1.0 - self.step_number / config.steps))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.workers.average_gradients(list(self.network.parameters()))
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        keep = 0.5 ** (1.0 / min(config.ema_half_life_steps, 10.0 + self.step_number / 4))
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.network.parameters()), 1.0 - keep)
        self.step_number += 1
        decibels = torch.zeros(judged.shape).masked_scatter(judged, gained.detach() * (-10.0 / math.log(10.0)))
        now = {f"x{scale}_{name}_db": float(decibels[judged[:, i], i].mean()) for i, name in enumerate(MAPS) if judged[:, i].any()}
        return {"scale": scale, "loss": float(loss.detach()), **now}

    def _scale(self) -> int:
        """The same on all workers: the step number seeds the choice."""
        random = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.step_number)
        return HEADS[int(torch.multinomial(torch.tensor(self.config.shares), 1, generator=random))]

    def stream_seed(self) -> int:
        """Of the random stream: another one on each worker, and after each start."""
        return self.config.seed + self.step_number * 17 + self.workers.rank * 1_000_003

    def _feature_distance(self, features: FrozenFeatures, made: Tensor, real: Tensor, pairs: Pairs) -> Tensor:
        """Mean distance of frozen features of the basecolor, where there is one."""
        there = pairs.judged[:, 0] > 0
        if not there.any():
            return made.new_zeros(())
        with torch.no_grad():
            aims = features(real[there, :3] * 2.0 - 1.0)
        taps = features(made[there, :3].clamp(0.0, 1.0) * 2.0 - 1.0)
        terms = [(a.float() - b.float()).abs().mean() / b.float().abs().mean().clamp_min(1e-3) for a, b in zip(taps, aims, strict=True)]
        return torch.stack(terms).mean()


def map_errors(made: Tensor, real: Tensor) -> Tensor:
    """(B, 6) mean squared error of each map of each picture; normals as unit vectors in [0, 1]."""
    errors, first = [], 0
    for name, channels in MAP_CHANNELS.items():
        ours, theirs = (m[:, first : first + channels] for m in (made, real))
        if name == "normal":
            ours, theirs = unit_normals(ours) * 0.5, unit_normals(theirs) * 0.5
        errors.append(((ours - theirs) ** 2).mean((1, 2, 3)))
        first += channels
    return torch.stack(errors, 1)


def unit_normals(slopes: Tensor) -> Tensor:
    """Slopes (B, 2, H, W) in units -> (B, 3, H, W)."""
    normal = torch.cat([slopes * SLOPE_UNIT, torch.ones_like(slopes[:, :1])], 1)
    return normal * torch.rsqrt((normal * normal).sum(1, keepdim=True))


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
