# SPDX-License-Identifier: Apache-2.0
"""The trainer of the upscaler: PSNR of every map of every scan, each counting the same, and frozen
features of the colour.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.channels import CLEAN_SCALE, SCALES
from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.networks.layers import channels_last
from texgen_server.networks.upscaler import Upscaler, bicubic
from texgen_server.precision.autocast import quick
from texgen_server.training.distributed import Workers
from texgen_server.training.trainer import FixedLengthTrainer, Record, averaged
from texgen_server.training.upscaler.degradations import MAPS
from texgen_server.training.upscaler.errors import map_errors
from texgen_server.training.upscaler.scans import FullScans, Pairs
from texgen_server.training.upscaler.settings import UpscalerConfig

HEADS = (CLEAN_SCALE, *SCALES)
METALLIC_WEIGHT = 2.0
"""Extra weight of scans with a metallic map in sampling: few have one."""
MAP_WEIGHTS = {"basecolor": 3.0, "metallic": 2.0}
"""Weight of these maps over that of others: they gain least, while heights and normals are far
ahead of any filter.
"""
CLEAN_MIN_ERROR = (2.0 / 255.0) ** 2
"""Added to squared errors of x1 before their logarithm, so that a clean map does not outweigh all
others.
"""
MIN_FEATURE = 1e-3
"""Smallest mean feature that a distance of features is divided by."""
SCALE_STRIDE = 1_000_003
"""Distance between the seeds of runs, for the choice of the scale."""


class UpscalerTrainer(FixedLengthTrainer):
    """The network, its average and the optimiser."""

    def __init__(
        self,
        scans: FullScans,
        train: list[int],
        config: UpscalerConfig,
        device: torch.device,
        workers: Workers | None = None,
    ) -> None:
        super().__init__(config, device, workers)
        self.scans, self.config = scans, config
        self.train_index = torch.tensor(train)
        self.weights = (
            1.0 + METALLIC_WEIGHT * scans.known[self.train_index, MAPS.index("metallic")].float()
        )
        self.map_weights = torch.tensor([MAP_WEIGHTS.get(name, 1.0) for name in MAPS]).to(device)
        self.network = channels_last(Upscaler(config.params).to(device))
        self.ema = averaged(self.network)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), config.lr, betas=config.betas, fused=True
        )
        self.features = FrozenFeatures("efficientnet-lite0").to(device) if config.features else None
        self.networks = {"network": self.network, "ema": self.ema}
        self.optimizers = {"optimizer": self.optimizer}
        self.averages = [(self.ema, self.network)]

    def step(self) -> Record:
        """Make one update; returns the scale, the loss and the gain over bicubic of each map."""
        scale = self._scale()
        count = self.config.batch // self.workers.count
        chosen = self.train_index[
            torch.multinomial(self.weights, count, replacement=True, generator=self.random)
        ]
        pairs = self.scans.pairs(chosen, scale, self.config.small_px, self.random).to(self.device)
        made, base, real = self._judged_crops(pairs, scale)
        judged = pairs.judged > 0
        errors, before = map_errors(made, real)[judged], map_errors(base, real)[judged]
        gained = self._gains(errors, before, pairs, chosen, scale)
        weights = self.map_weights.expand_as(judged)[judged]
        loss = (gained * weights).sum() / weights.sum()
        if self.features and scale != CLEAN_SCALE:
            distance = self._feature_distance(self.features, made, real, pairs)
            loss = loss + self.config.features * distance
        self.update(self.optimizer, loss, self.config.lr, self.config.clip_norm)
        self.advance()
        figures = _mean_gains(gained.detach(), judged, scale)
        return {"scale": scale, "loss": float(loss.detach()), **figures}

    def _scale(self) -> int:
        """Pick the scale of a step, the same on all workers: the position seeds the choice."""
        seed = self.config.seed * SCALE_STRIDE + self.position
        random = torch.Generator().manual_seed(seed)
        return HEADS[int(torch.multinomial(torch.tensor(self.config.shares), 1, generator=random))]

    def _judged_crops(self, pairs: Pairs, scale: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the network makes, bicubic's enlargement and the real maps, without their
        margins.
        """
        small = pairs.small.contiguous(memory_format=torch.channels_last)
        with quick(self.device):
            made = self.network(small, scale)
            base = F.pixel_shuffle(bicubic(pairs.small, scale), scale)
        cut = self.config.margin_px * scale
        made, base, real = (m[..., cut:-cut, cut:-cut] for m in (made, base, pairs.large))
        return made, base, real

    def _gains(
        self, errors: Tensor, before: Tensor, pairs: Pairs, chosen: Tensor, scale: int
    ) -> Tensor:
        """Return a loss for each judged map: at x1 the logarithm of the error over bicubic's, as
        damage differs from crop to crop.

        At other scales it is the slope of the whole scan's PSNR: a crop without detail weighs what
        it weighs in the scan's error, next to nothing.
        """
        if scale == CLEAN_SCALE:
            return torch.log((errors + CLEAN_MIN_ERROR) / (before + CLEAN_MIN_ERROR))
        judged = pairs.judged > 0
        whole = self.scans.bicubic_errors(scale)[chosen].to(self.device)[judged]
        whole = torch.where(pairs.synthetic[judged], before + CLEAN_MIN_ERROR, whole)
        return (errors - before) / whole

    def _feature_distance(
        self, features: FrozenFeatures, made: Tensor, real: Tensor, pairs: Pairs
    ) -> Tensor:
        """Return the mean distance of frozen features of the basecolor, where there is one."""
        rows = pairs.judged[:, 0] > 0
        if not rows.any():
            return made.new_zeros(())
        with torch.no_grad():
            aims = features(real[rows, :3] * 2.0 - 1.0)
        taps = features(made[rows, :3].clamp(0.0, 1.0) * 2.0 - 1.0)
        terms = [
            (a.float() - b.float()).abs().mean() / b.float().abs().mean().clamp_min(MIN_FEATURE)
            for a, b in zip(taps, aims, strict=True)
        ]
        return torch.stack(terms).mean()


def _mean_gains(gained: Tensor, judged: Tensor, scale: int) -> Record:
    """Return the mean share of bicubic's error that is gone, for each map that was judged."""
    share = torch.zeros(judged.shape, device=gained.device).masked_scatter(judged, gained)
    return {
        f"x{scale}_{name}_gain": float(-share[judged[:, i], i].mean())
        for i, name in enumerate(MAPS)
        if judged[:, i].any()
    }
