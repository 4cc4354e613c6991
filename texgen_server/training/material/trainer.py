# SPDX-License-Identifier: Apache-2.0
"""The trainer of the material GAN: simultaneous generator and discriminator steps on one forward
pass, in stages of growing image size.

Runs in one process, or as several under ``torchrun``; positions are images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from texgen_server.material.canvas import COARSE_PX
from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.networks.layers import channels_last
from texgen_server.networks.material import MaterialGenerator
from texgen_server.precision.autocast import quick
from texgen_server.training.adversarial import (
    GAMES,
    PENALTY_EVERY,
    DiscriminatorInput,
    generator_loss,
    gradient_penalty,
)
from texgen_server.training.codes import Codes, initial_codes
from texgen_server.training.discriminator import VIEWS, Discriminator, make_views, raw_channels
from texgen_server.training.distributed import Workers
from texgen_server.training.divergence import DivergenceGuard
from texgen_server.training.material.crops import CropSampler
from texgen_server.training.material.data import DENSITIES, Batch, Pack
from texgen_server.training.material.fitting import Fakes, FittingLosses
from texgen_server.training.material.inputs import (
    Guide,
    generated_guide,
    random_inputs,
    scanned_guide,
)
from texgen_server.training.material.settings import MaterialConfig, Stage
from texgen_server.training.material.targets import Targets, judged_part
from texgen_server.training.trainer import (
    ROLLED_BACK,
    STEP_STRIDE,
    FixedLengthTrainer,
    Record,
    averaged,
)

DENSITY_STRIDE, RUN_STRIDE = 7_919, 1000
"""Distances between the seeds of runs: of the choice of density, and of random streams."""
CODES_DENSITY = 256
"""Density of the crops whose statistics give a fresh run its codes."""

Labels = tuple[Tensor, Tensor, int]
"""Condition of the discriminator: material (B,), class (B,), index of the density."""


class MaterialTrainer(FixedLengthTrainer):
    """Generator, codes, discriminator, their averages and optimisers, and the targets of a pack."""

    unit = "images"

    def __init__(
        self,
        pack: Pack,
        train: list[int],
        config: MaterialConfig,
        device: torch.device,
        workers: Workers | None = None,
    ) -> None:
        super().__init__(config, device, workers)
        self.pack, self.config = pack, config
        self.sampler = CropSampler(pack, train, self.random)
        classes = len(set(pack.classes))
        self.generator = channels_last(MaterialGenerator(config.params).to(device))
        self.codes = Codes(len(pack.assets), config.params.code_dim).to(device)
        self.discriminator = channels_last(
            Discriminator(len(pack.assets), classes, len(DENSITIES)).to(device)
        )
        self.features = FrozenFeatures("efficientnet-lite0").to(device)
        self.ema_generator, self.ema_codes = averaged(self.generator), averaged(self.codes)
        self._register(config)
        self.game = GAMES[config.game]
        self.relief = pack.relief.to(device)
        self.targets = Targets(pack, self.features, device)
        self.fitting = FittingLosses(config, self.targets)
        self.size_px = 0
        """Size of the last step's images."""

    def _register(self, config: MaterialConfig) -> None:
        """Make the optimisers; name what is saved and averaged."""
        self.optimizer_g = torch.optim.Adam(
            [*self.generator.parameters(), *self.codes.parameters()],
            config.lr_generator,
            betas=config.betas,
            fused=True,
        )
        trainable = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.optimizer_d = torch.optim.Adam(
            trainable, config.lr_discriminator, betas=config.betas, fused=True
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

    def stream_seed(self) -> int:
        """Return the seed of the random stream at the current position."""
        start = self.seed * RUN_STRIDE + self.workers.rank
        return start + self.position * STEP_STRIDE

    @torch.no_grad()
    def measure_codes(self) -> None:
        """Set the codes of a fresh run from measured statistics of the materials."""
        target, pixels = self.targets.of(self.config.stages[0].size_px, CODES_DENSITY)
        codes = initial_codes(
            target.mean,
            pixels,
            self.relief.log(),
            self.sampler.train_index,
            self.config.params.code_dim,
        )
        self.codes.table.copy_(codes)
        self.ema_codes.table.copy_(codes)

    def run(self) -> Iterator[Record]:
        """Train through all stages; yields each step's losses, or that the run was rolled back."""
        guard = DivergenceGuard(self, "statistics")
        while not self.finished:
            record = self.step()
            if guard.after_step(record):
                record = {ROLLED_BACK: guard.rollbacks, "rate": self.rate_scale}
            yield record

    def log_position(self) -> Record:
        """Return images so far and the size of the last ones."""
        return {"images": self.position, "size_px": self.size_px}

    def current_stage(self) -> Stage:
        """Return the stage that the position falls into; the last one at the end."""
        done = self.position
        for stage in self.config.stages:
            if done < stage.images:
                return stage
            done -= stage.images
        return self.config.stages[-1]

    # -- one step
    # ----------------------------------------------------------------------------------------------

    def step(self) -> Record:
        """Update both networks from one forward pass of each; returns the losses."""
        stage = self.current_stage()
        self.size_px = stage.size_px
        density = self._pick_density(stage)
        count = self.config.batch // self.workers.count
        real = self.sampler.crops(count, density, stage.size_px)
        fakes = self._fakes(real)
        with torch.no_grad():
            seen_real = self._discriminator_input(real.maps.to(self.device), real)
        seen_fake = self._discriminator_input(fakes.maps, real)
        labels = (
            fakes.label,
            self.sampler.group[real.index].to(self.device),
            DENSITIES.index(density),
        )
        loss_d = self._discriminator_loss(seen_real, seen_fake, labels)
        self.update(self.optimizer_d, loss_d, self.config.lr_discriminator)
        terms = self.fitting.terms(seen_fake, seen_real, fakes, real)
        loss_g = torch.stack(list(terms.values())).sum()
        if adversarial := self._ramp() * self.config.adversarial:
            condition = partial(self.discriminator.condition, *labels)
            loss_g = loss_g + adversarial * generator_loss(
                self.discriminator, self.game, seen_real, seen_fake, condition
            )
        self.update(self.optimizer_g, loss_g, self.config.lr_generator)
        self.advance(self.config.batch)
        return {k: float(v.detach()) for k, v in (terms | {"d": loss_d, "g": loss_g}).items()}

    def _discriminator_input(self, maps: Tensor, real: Batch) -> DiscriminatorInput:
        """Return what the discriminator and the statistics see of images: of a window, the part
        that its own wrap-around does not touch.
        """
        judged = judged_part(maps, real)
        views = make_views(judged, self.relief[real.index] * real.density)
        return DiscriminatorInput(
            judged, self.features(torch.cat(views)), raw_channels(judged, views)
        )

    def _discriminator_loss(
        self, real: DiscriminatorInput, fake: DiscriminatorInput, labels: Labels
    ) -> Tensor:
        """Return the loss of the discriminator, both halves scored in one pass; taps hold two views
        each, stacked along the batch.
        """
        with quick(self.device):
            condition = self.discriminator.condition(*labels)
            pairs = [
                (r.chunk(VIEWS), f.detach().chunk(VIEWS))
                for r, f in zip(real.taps, fake.taps, strict=True)
            ]
            taps = [
                torch.cat([half for view in zip(r, f, strict=True) for half in view])
                for r, f in pairs
            ]
            scores = self.discriminator(
                taps, torch.cat([real.raw, fake.raw.detach()]), torch.cat([condition, condition])
            )
        halves = [s.chunk(2) for s in scores]
        loss = self.game.discriminator([h[0] for h in halves], [h[1] for h in halves])
        if self.game.penalty and self.position // self.config.batch % PENALTY_EVERY == 0:
            penalty = gradient_penalty(
                self.discriminator,
                self.game.penalty,
                real,
                fake,
                self.discriminator.condition(*labels),
            )
            loss = loss + PENALTY_EVERY * self.config.penalty * penalty
        return loss

    # -- parts
    # ----------------------------------------------------------------------------------------------

    def _pick_density(self, stage: Stage) -> int:
        """Pick a density of the stage, the same on all workers: the position seeds the choice."""
        share = torch.tensor(list(stage.densities.values()))
        generator = torch.Generator().manual_seed(self.config.seed * DENSITY_STRIDE + self.position)
        return list(stage.densities)[int(torch.multinomial(share, 1, generator=generator))]

    def _fakes(self, real: Batch) -> Fakes:
        """Generate counterparts: same materials, same place in the layout, new noise; some with a
        code mixed within the class.
        """
        count = len(real.index)
        mixed = (torch.rand(count, generator=self.random) < self.config.mixed_share).to(self.device)
        partner = self.sampler.partners(real.index)
        t = torch.rand(count, 1, generator=self.random).to(self.device) * mixed[:, None]
        table = self.codes.table
        code = table[real.index] * (1 - t) + table[partner] * t
        code = code + self.config.code_noise * torch.randn(code.shape, generator=self.random).to(
            self.device
        )
        log2_density = torch.full((count, 1), math.log2(real.density / 256), device=self.device)
        style = self.generator.mapping(code, log2_density)
        start, layouts, noises = random_inputs(
            self.pack, real, self.config.params, self.random, self.device
        )
        guide = self._guide(real, code.detach(), mixed)
        with quick(self.device):
            maps = self.generator(
                style, start, layouts, noises, guide and guide.input.to(self.device)
            )
        label = torch.where(mixed.cpu(), len(self.pack.assets), real.index).to(self.device)
        return Fakes(
            maps, layouts[2], self.generator.relief_tiles(style), label, 1.0 - mixed.float(), guide
        )

    def _guide(self, real: Batch, code: Tensor, mixed: Tensor) -> Guide | None:
        """Return guides for crops above the coarse density: the scans, or what the coarse pass
        makes, as in use; mixed codes have no scan.
        """
        if real.density <= COARSE_PX:
            return None
        if not bool(mixed.any()) and bool(
            torch.rand(1, generator=self.random) < self.config.scanned_guides
        ):
            return scanned_guide(self.pack, real)
        return generated_guide(self.ema_generator, self.pack, real, code, self.random)

    def _ramp(self) -> float:
        """Return the share of the adversarial loss's weight at this position."""
        return min(1.0, max(0.0, self.position / self.config.warmup_images - 1.0))
