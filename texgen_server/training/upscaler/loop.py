# SPDX-License-Identifier: Apache-2.0
"""Training of the upscaler: every map as far ahead of bicubic interpolation as the others, then frozen features of the colour."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.channels import MAP_CHANNELS, SLOPE_UNIT
from texgen_server.features import FrozenFeatures
from texgen_server.networks.layers import channels_last
from texgen_server.networks.upscaler import Upscaler, UpscalerParams, bicubic
from texgen_server.training.state import Networks, Optimizers, read_tensors, write_tensors
from texgen_server.training.upscaler.data import MAPS, FullScans, Pairs


@dataclass(frozen=True)
class UpscalerConfig:
    """What shapes a run."""

    steps: int = 12000
    batch: int = 8
    small_px: int = 64
    """Edge of the small crops; ``margin_px`` on each side is not judged, as it lacks its surroundings."""
    margin_px: int = 8
    x4_share: float = 0.6
    lr: float = 5e-4
    features: float = 0.05
    ema_half_life_steps: float = 300.0
    seed: int = 0
    params: UpscalerParams = field(default_factory=UpscalerParams)


class UpscalerTrainer:
    """Holds the network, its average and the optimiser."""

    def __init__(self, scans: FullScans, train: list[int], config: UpscalerConfig) -> None:
        torch.manual_seed(config.seed)
        self.scans, self.config = scans, config
        self.train_index = torch.tensor(train)
        self.network = channels_last(Upscaler(config.params))
        self.ema = copy.deepcopy(self.network).eval().requires_grad_(requires_grad=False)
        self.optimizer = torch.optim.Adam(self.network.parameters(), config.lr, betas=(0.9, 0.99), fused=True)
        self.features = FrozenFeatures("efficientnet-lite0")
        self.baseline = torch.full((len(MAPS),), 0.02)  # running error of bicubic interpolation, map by map
        self.step_number = 0
        self.random = torch.Generator().manual_seed(config.seed)

    def run(self) -> Iterator[dict[str, float]]:
        """Train to the end; yields each step's losses."""
        while self.step_number < self.config.steps:
            yield self.step()

    def step(self) -> dict[str, float]:
        """One update."""
        config = self.config
        scale = 4 if float(torch.rand(1, generator=self.random)) < config.x4_share else 2
        chosen = self.train_index[torch.randint(len(self.train_index), (config.batch,), generator=self.random)]
        pairs = self.scans.pairs(chosen, scale, config.small_px, self.random)
        small = pairs.small.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            residual = self.network.residual(small, scale)
        plain = bicubic(pairs.small, scale)
        cut = config.margin_px * scale
        full = (F.pixel_shuffle(plain + residual.float(), scale), F.pixel_shuffle(plain, scale), pairs.large)
        made, base, real = (m[..., cut:-cut, cut:-cut] for m in full)
        errors, before = map_errors(made, real, pairs.judged), map_errors(base, real, pairs.judged)
        seen = before > 0
        self.baseline[seen] = self.baseline[seen] * 0.98 + before[seen] * 0.02
        ratio = (errors / self.baseline)[seen].mean()
        loss = ratio + config.features * self._feature_distance(made, real, pairs)
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * min(1.0, (self.step_number + 1) / 100, 0.02 + 2.0 * (1.0 - self.step_number / config.steps))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        keep = 0.5 ** (1.0 / min(config.ema_half_life_steps, 10.0 + self.step_number / 4))
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.network.parameters()), 1.0 - keep)
        self.step_number += 1
        now = {f"ratio_{name}": float(errors[i].detach() / before[i]) for i, name in enumerate(MAPS) if seen[i]}
        return {"scale": scale, "loss": float(loss.detach()), **now}

    def _feature_distance(self, made: Tensor, real: Tensor, pairs: Pairs) -> Tensor:
        """Mean distance of frozen features of the basecolor, where there is one."""
        there = pairs.judged[:, 0] > 0
        if not there.any():
            return made.new_zeros(())
        with torch.no_grad():
            aims = self.features(real[there, :3] * 2.0 - 1.0)
        taps = self.features(made[there, :3].clamp(0.0, 1.0) * 2.0 - 1.0)
        terms = [(a.float() - b.float()).abs().mean() / b.float().abs().mean().clamp_min(1e-3) for a, b in zip(taps, aims, strict=True)]
        return torch.stack(terms).mean()


def map_errors(made: Tensor, real: Tensor, judged: Tensor) -> Tensor:
    """(6,) mean absolute error of each map over the pictures that have it; normals as unit vectors. 0 where none has it."""
    errors, first = [], 0
    for i, name in enumerate(MAPS):
        ours, theirs = (m[:, first : first + MAP_CHANNELS[name]] for m in (made, real))
        if name == "normal":
            ours, theirs = unit_normals(ours), unit_normals(theirs)
        each = (ours - theirs).abs().mean((1, 2, 3))
        errors.append((each * judged[:, i]).sum() / judged[:, i].sum().clamp_min(1.0))
        first += MAP_CHANNELS[name]
    return torch.stack(errors)


def unit_normals(slopes: Tensor) -> Tensor:
    """Slopes (B, 2, H, W) in units -> (B, 3, H, W)."""
    normal = torch.cat([slopes * SLOPE_UNIT, torch.ones_like(slopes[:, :1])], 1)
    return normal * torch.rsqrt((normal * normal).sum(1, keepdim=True))


def save_upscaler(trainer: UpscalerTrainer, path: Path) -> None:
    """Write everything `load_upscaler` needs, atomically."""
    write_tensors(*_held(trainer), path, {"steps": str(trainer.step_number)}, {"baseline": trainer.baseline})


def load_upscaler(trainer: UpscalerTrainer, path: Path) -> None:
    """Continue where `save_upscaler` stood (but for the random stream, which starts anew)."""
    tensors, about = read_tensors(*_held(trainer), path)
    trainer.baseline = tensors["baseline"]
    trainer.step_number = int(about["steps"])
    trainer.random.manual_seed(trainer.config.seed + trainer.step_number * 17)


def _held(trainer: UpscalerTrainer) -> tuple[Networks, Optimizers]:
    return {"network": trainer.network, "ema": trainer.ema}, {"optimizer": trainer.optimizer}
