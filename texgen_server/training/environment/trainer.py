# SPDX-License-Identifier: Apache-2.0
"""The trainer of the environment generator: maps compared coarsely and through frozen features, and
an adversarial loss in which places also stand under other skies.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.channels import RADIANCE, STOPS
from texgen_server.networks.environment import EnvironmentGenerator
from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.networks.layers import channels_last
from texgen_server.precision.autocast import quick
from texgen_server.training.adversarial import (
    GAMES,
    PENALTY_EVERY,
    DiscriminatorInput,
    generator_loss,
    gradient_penalty,
)
from texgen_server.training.codes import Codes
from texgen_server.training.discriminator import VIEWS, Discriminator
from texgen_server.training.distributed import Workers
from texgen_server.training.environment.data import HdrPack
from texgen_server.training.environment.settings import EnvironmentConfig
from texgen_server.training.environment.windows import CROP_PX, MARGIN_PX, Windows, WindowSampler
from texgen_server.training.trainer import FixedLengthTrainer, Record, averaged

COARSE_PX = 4
"""Edge of the squares over which maps are averaged before they are compared."""
EXPOSURES = (0.25, 0.02)
"""Values of the geometric mean in the two pictures that are judged: one for the ground, one for
what is bright.
"""
HALVES = 2
"""Upper and lower half of a window are judged by themselves."""
LAYOUT_TOLERANCE = 0.1
"""Distance of a cell from its layout, in units of `STOPS`, that costs nothing."""
MIN_FEATURE = 1e-3
"""Smallest mean feature that a distance of features is divided by."""
GAME = GAMES["relativistic"]


class EnvironmentTrainer(FixedLengthTrainer):
    """Generator, codes, discriminator, their averages and optimisers."""

    def __init__(
        self,
        pack: HdrPack,
        train: list[int],
        config: EnvironmentConfig,
        device: torch.device,
        workers: Workers | None = None,
    ) -> None:
        super().__init__(config, device, workers)
        self.pack, self.config = pack, config
        self.sampler = WindowSampler(pack, train, config.params, config.mixed_share, self.random)
        self.generator = channels_last(EnvironmentGenerator(config.params).to(device))
        self.codes = Codes(len(pack.assets), config.params.code_dim).to(device)
        classes = len(set(pack.classes))
        self.discriminator = channels_last(
            Discriminator(len(pack.assets), classes, 1, raw_channels=3).to(device)
        )
        self.features = FrozenFeatures("efficientnet-lite0").to(device)
        self.ema_generator, self.ema_codes = averaged(self.generator), averaged(self.codes)
        self._register()

    def _register(self) -> None:
        """Make the optimisers; name what is saved and averaged."""
        config = self.config
        trained = [*self.generator.parameters(), *self.codes.parameters()]
        self.optimizer_g = torch.optim.Adam(trained, config.lr, betas=config.betas, fused=True)
        judging = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.optimizer_d = torch.optim.Adam(
            judging, config.lr_discriminator, betas=config.betas, fused=True
        )
        self.networks = {
            "generator": self.generator,
            "codes": self.codes,
            "discriminator": self.discriminator,
            "ema_generator": self.ema_generator,
            "ema_codes": self.ema_codes,
        }
        self.optimizers = {"optimizer_g": self.optimizer_g, "optimizer_d": self.optimizer_d}
        self.averages = [
            (self.ema_generator, self.generator),
            (self.ema_codes, self.codes),
        ]

    def step(self) -> Record:
        """Update the generator and, after the warm-up, the discriminator; returns the losses."""
        config = self.config
        windows = self.windows().to(self.device)
        made = self._generate(self.generator, windows)
        with torch.no_grad():
            seen_real = self._discriminator_input(windows.real)
        seen = self._discriminator_input(made)
        terms = self._fitting_terms(made, windows, seen, seen_real)
        loss = torch.stack(list(terms.values())).sum()
        record = {}
        if self.position >= config.warmup_steps:
            loss_d = self._discriminator_loss(seen_real, seen, windows)
            self.update(self.optimizer_d, loss_d, config.lr_discriminator, config.clip_norm)
            condition = partial(self._condition, windows)
            loss_g = generator_loss(self.discriminator, GAME, seen_real, seen, condition)
            ramp = min(1.0, (self.position - config.warmup_steps + 1) / config.warmup_steps)
            loss = loss + ramp * config.adversarial * loss_g
            record = {"d": float(loss_d.detach()), "g": float(loss_g.detach())}
        self.update(self.optimizer_g, loss, config.lr, config.clip_norm)
        self.advance()
        figures = {"loss": loss} | terms
        return {k: float(v.detach()) for k, v in figures.items()} | record

    def windows(self) -> Windows:
        """Take this worker's share of a step's windows."""
        return self.sampler.windows(self.config.batch // self.workers.count)

    def _generate(self, generator: EnvironmentGenerator, windows: Windows) -> Tensor:
        """Return what the network makes of a batch, (B, 3, 512, 256), without its margins."""
        levels, params = windows.conditioning, self.config.params
        codes = self.codes.table[windows.codes]
        codes = codes + self.config.code_noise * self._noise(*codes.shape)
        start = self._noise(len(windows.real), params.noise_channels, *levels[0].shape[2:])
        noises = [self._noise(len(windows.real), 1, *level.shape[2:]) for level in levels]
        with quick(self.device):
            made: Tensor = generator(codes, start, levels, noises)
        return made[..., MARGIN_PX:-MARGIN_PX]

    def _noise(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.random).to(self.device)

    def _discriminator_input(self, stops: Tensor) -> DiscriminatorInput:
        """Return (B, 3, 512, 256) windows as they are judged: upper halves, then lower halves."""
        crop = torch.cat(stops.split(CROP_PX, 2))
        with quick(self.device):
            taps = self.features(torch.cat([tone_mapped(crop, key) for key in EXPOSURES]))
        return DiscriminatorInput(crop, taps, crop * 0.5)

    def _fitting_terms(
        self,
        made: Tensor,
        windows: Windows,
        seen: DiscriminatorInput,
        seen_real: DiscriminatorInput,
    ) -> dict[str, Tensor]:
        """Return the weighted losses that need no discriminator; mixed windows are compared with
        their layout alone.
        """
        own = windows.own / windows.own.sum().clamp_min(1.0)
        features = []
        for tap, real in zip(seen.taps, seen_real.taps, strict=True):
            distance = (tap.float() - real.float()).abs().mean((1, 2, 3))
            size = real.float().abs().mean((1, 2, 3)).clamp_min(MIN_FEATURE)
            features.append(((distance / size).reshape(VIEWS * HALVES, -1).mean(0) * own).sum())
        cell = made.shape[2] // self.config.params.layout_rows
        inside = slice(MARGIN_PX // cell, -MARGIN_PX // cell)
        cells = F.avg_pool2d(made, cell) - windows.conditioning[0][:, RADIANCE, :, inside]
        outside = (cells.abs() - LAYOUT_TOLERANCE).clamp_min(0.0).mean()
        return {
            "coarse": self.config.coarse * _coarse_distance(made, windows.real, own),
            "layout": self.config.coarse * outside,
            "features": self.config.features * torch.stack(features).mean(),
        }

    def _condition(self, windows: Windows) -> Tensor:
        """Return the discriminator's condition on both halves of each window."""
        label, group = windows.label.repeat(HALVES), windows.group.repeat(HALVES)
        return self.discriminator.condition(label, group, 0)

    def _discriminator_loss(
        self, real: DiscriminatorInput, fake: DiscriminatorInput, windows: Windows
    ) -> Tensor:
        with quick(self.device):
            condition = self._condition(windows)
            reals = self.discriminator(real.taps, real.raw, condition)
            taps = [t.detach() for t in fake.taps]
            fakes = self.discriminator(taps, fake.raw.detach(), condition)
        loss = GAME.discriminator(reals, fakes)
        if self.position % PENALTY_EVERY == 0:
            penalty = gradient_penalty(
                self.discriminator, GAME.penalty, real, fake, self._condition(windows)
            )
            loss = loss + PENALTY_EVERY * self.config.penalty * penalty
        return loss


def _coarse_distance(made: Tensor, real: Tensor, own: Tensor) -> Tensor:
    """Return the mean distance of averaged maps, weighted by solid angle; ``own`` (B,) weighs the
    windows.
    """
    rows = made.shape[2] // COARSE_PX
    elevation = (torch.arange(rows, device=made.device) + 0.5) / rows * torch.pi - torch.pi / 2.0
    weights = torch.cos(elevation)[:, None]
    small, small_real = (F.avg_pool2d(m, COARSE_PX) for m in (made, real))
    distance = (small - small_real).abs() * weights / weights.mean()
    return (distance.mean((1, 2, 3)) * own).sum()


def tone_mapped(stops: Tensor, key: float) -> Tensor:
    """Return log2 radiance in units of `STOPS` as a picture in [-1, 1] in which radiance 1 becomes
    about ``key``; highlights roll off.
    """
    radiance = torch.exp2(stops.float() * STOPS) * key
    return (radiance / (1.0 + radiance)).clamp_min(1e-4) ** (1.0 / 2.2) * 2.0 - 1.0
