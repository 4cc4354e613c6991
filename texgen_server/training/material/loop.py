# SPDX-License-Identifier: Apache-2.0
"""The training loop: simultaneous generator and discriminator steps on one forward pass, EMA,
stages of growing size.

Runs in one process on CPU or CUDA, or as several under ``torchrun`` (gradients are averaged). All
state is in safetensors.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from texgen_server.material.canvas import COARSE_PX
from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.networks.layers import channels_last
from texgen_server.networks.material import MaterialGenerator
from texgen_server.precision.autocast import quick
from texgen_server.training.adversarial import GAMES, PENALTY_EVERY, gradient_penalty
from texgen_server.training.distributed import Workers
from texgen_server.training.material import losses
from texgen_server.training.material.codes import Codes, initial_codes
from texgen_server.training.material.data import DENSITIES, Batch, Pack
from texgen_server.training.material.discriminator import (
    VIEWS,
    Discriminator,
    make_views,
    raw_channels,
)
from texgen_server.training.material.inputs import (
    Guide,
    draw_fields,
    generated_guide,
    guide_error,
    scanned_guide,
)
from texgen_server.training.material.settings import Stage, TrainConfig
from texgen_server.training.material.stability import Watch
from texgen_server.training.material.targets import Targets, judged_part


@dataclass
class Fakes:
    """One batch of generated images and what the discriminator is told about them."""

    maps: Tensor
    layout: Tensor  # at 1/8 of the size
    relief: Tensor  # (B,) height range in tiles
    label: Tensor  # (B,) material, or the "some member" index
    own: Tensor  # (B,) 1 where the code is that of one material, 0 where it is a mix
    guide: Guide | None  # of crops above the coarse density


@dataclass
class Seen:
    """Images as the losses see them."""

    maps: Tensor
    taps: list[Tensor]
    raw: Tensor


class Trainer:
    """Holds networks, optimisers and targets; `run` yields a log record now and then."""

    def __init__(
        self,
        pack: Pack,
        train: list[int],
        config: TrainConfig,
        device: torch.device,
        workers: Workers,
    ) -> None:
        torch.manual_seed(config.seed)
        self.pack, self.config, self.device, self.workers = pack, config, device, workers
        self.train_index = torch.tensor(train)
        names = sorted(set(pack.classes))
        self.group = torch.tensor([names.index(c) for c in pack.classes])
        self.generator = channels_last(MaterialGenerator(config.params).to(device))
        self.codes = Codes(len(pack.assets), config.params.code_dim).to(device)
        self.discriminator = channels_last(
            Discriminator(len(pack.assets), len(names), len(DENSITIES)).to(device)
        )
        self.features = FrozenFeatures("efficientnet-lite0").to(device)
        self.ema_generator = (
            copy.deepcopy(self.generator).eval().requires_grad_(requires_grad=False)
        )
        self.ema_codes = copy.deepcopy(self.codes).requires_grad_(requires_grad=False)
        fused: dict[str, Any] = {"betas": (0.0, 0.99), "fused": True}
        self.optimizer_g = torch.optim.Adam(
            [*self.generator.parameters(), *self.codes.parameters()], config.lr_generator, **fused
        )
        trainable = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.optimizer_d = torch.optim.Adam(trainable, config.lr_discriminator, **fused)
        self.game = GAMES[config.game]
        self.images = 0
        self.rate = 1.0  # of the learning rate; halved when the run had to be put back
        self.random = torch.Generator().manual_seed(config.seed * 1000 + workers.rank)
        self.relief = pack.relief.to(device)
        self.targets = Targets(pack, self.features, device)
        self.class_weight = self._balanced()

    def _balanced(self) -> Tensor:
        """Sampling weight per training material: classes count with the square root of
        their size.
        """
        group = self.group[self.train_index]
        count = torch.bincount(group, minlength=int(self.group.max()) + 1).float()
        return count[group].rsqrt()

    @torch.no_grad()
    def measure_codes(self) -> None:
        """Start the codes from measured statistics (a fresh run only)."""
        target, pixels = self.targets.of(self.config.stages[0].size_px, 256)
        codes = initial_codes(
            target.mean, pixels, self.relief.log(), self.train_index, self.config.params.code_dim
        )
        self.codes.table.copy_(codes)
        self.ema_codes.table.copy_(codes)

    # -- one step
    # ----------------------------------------------------------------------------------------------

    def run(
        self, on_log: Callable[[dict[str, float]], None], log_every: int = 400
    ) -> Iterator[Stage]:
        """Train through all stages from where ``images`` stands; yields the current stage after
        every step.
        """
        started, last = time.monotonic(), self.images
        seen: dict[str, list[float]] = {}
        watch = Watch(self)
        while (stage := self.current_stage()) is not None:
            record = self.step(stage)
            if watch.after_step(record):
                on_log(
                    {
                        "images": self.images,
                        "size_px": stage.size_px,
                        "rolled_back": watch.rollbacks,
                        "rate": self.rate,
                    }
                )
                started, last, seen = time.monotonic(), self.images, {}
                continue
            for key, value in record.items():
                seen.setdefault(key, []).append(value)
            if self.images // log_every != last // log_every:
                seconds = time.monotonic() - started
                on_log(
                    {
                        "images": self.images,
                        "size_px": stage.size_px,
                        "images_per_s": (self.images - last) / seconds,
                    }
                    | {k: sum(v) / len(v) for k, v in seen.items()}
                )
                started, last, seen = time.monotonic(), self.images, {}
            yield stage

    def current_stage(self) -> Stage | None:
        """The stage that ``images`` falls into, or None when training is complete."""
        done = self.images
        for stage in self.config.stages:
            if done < stage.images:
                return stage
            done -= stage.images
        return None

    def step(self, stage: Stage) -> dict[str, float]:
        """One update of both networks from one forward pass of each. Returns losses."""
        density = self._pick_density(stage)
        real = self._real(density, stage.size_px)
        fakes = self._fakes(real)
        with torch.no_grad():
            seen_real = self._look(real.maps.to(self.device), real)
        seen_fake = self._look(fakes.maps, real)
        told = (fakes.label, self.group[real.index].to(self.device), DENSITIES.index(density))
        loss_d = self._discriminator_loss(seen_real, seen_fake, told)
        self._update(self.optimizer_d, loss_d, self.config.lr_discriminator)
        terms = self._fitting_terms(seen_fake, seen_real, fakes, real)
        loss_g = torch.stack(list(terms.values())).sum()
        if adversarial := self._ramp() * self.config.adversarial:
            loss_g = loss_g + adversarial * self._adversarial_loss(seen_real, seen_fake, told)
        self._update(self.optimizer_g, loss_g, self.config.lr_generator)
        self._ema(self.config.batch)
        self.images += self.config.batch
        return {k: float(v.detach()) for k, v in (terms | {"d": loss_d, "g": loss_g}).items()}

    def _look(self, maps: Tensor, real: Batch) -> Seen:
        """What the discriminator and the statistics see of images: of a window, the part that its
        own wrap-around does not touch.
        """
        judged = judged_part(maps, real)
        views = make_views(judged, self.relief[real.index] * real.density)
        return Seen(judged, self.features(torch.cat(views)), raw_channels(judged, views))

    def _fitting_terms(
        self, seen: Seen, seen_real: Seen, fakes: Fakes, real: Batch
    ) -> dict[str, Tensor]:
        """The weighted losses that need no judge; images of mixed codes do not count.

        A crop that its own scan guides is compared with that scan's crop, any other with its
        material.
        """
        config, own, index = self.config, fakes.own, real.index
        target, pixels = self.targets.of(real.maps.shape[-1], real.density)
        relief_error = torch.log(fakes.relief / self.relief[index]).abs()
        strength = self.layout_strength[index].to(self.device)
        terms = {"relief": (relief_error * own).mean()}
        statistics = losses.texture_statistics(seen.taps)
        if fakes.guide is None:
            terms["statistics"] = config.statistics * target.distance(
                statistics, target.of(index), own
            )
            terms["pixels"] = losses.pixel_statistics(
                seen.maps, pixels[0, index], pixels[1, index], own
            )
            terms["layout"] = config.layout * losses.layout_error(
                fakes.maps, fakes.layout, strength, own
            )
        else:
            aim = (
                losses.texture_statistics(seen_real.taps)
                if fakes.guide.scanned
                else target.of(index)
            )
            terms["statistics"] = config.statistics * target.distance(statistics, aim, own)
            terms["guide"] = config.guide * guide_error(fakes.maps, fakes.guide).mean()
        if fakes.guide.scanned if fakes.guide else real.extent_tiles == 1.0:
            spectra = losses.map_spectra(seen.maps) - losses.map_spectra(seen_real.maps)
            terms["spectrum"] = config.spectrum * (spectra.abs().mean((1, 2)) * own).mean()
        return terms

    def _adversarial_loss(self, real: Seen, fake: Seen, told: tuple[Tensor, Tensor, int]) -> Tensor:
        self.discriminator.requires_grad_(requires_grad=False)
        with quick(self.device):
            condition = self.discriminator.condition(*told)
            scores = self.discriminator(fake.taps, fake.raw, condition)
            reals = (
                self.discriminator(real.taps, real.raw, condition)
                if self.game.penalty == "r1r2"
                else scores
            )
        self.discriminator.requires_grad_(requires_grad=True)
        self.discriminator.mixing.requires_grad_(requires_grad=False)
        return self.game.generator(reals, scores)

    def _discriminator_loss(
        self, real: Seen, fake: Seen, told: tuple[Tensor, Tensor, int]
    ) -> Tensor:
        """Both halves in one pass; the taps hold two views each, stacked along the batch."""
        with quick(self.device):
            condition = self.discriminator.condition(*told)
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
        if self.game.penalty and self.images // self.config.batch % PENALTY_EVERY == 0:
            penalty = gradient_penalty(
                self.discriminator,
                self.game.penalty,
                real,
                fake,
                self.discriminator.condition(*told),
            )
            loss = loss + PENALTY_EVERY * self.config.penalty * penalty
        return loss

    # -- parts
    # ----------------------------------------------------------------------------------------------

    @property
    def layout_strength(self) -> Tensor:
        """(materials, 5) share of each channel's variance that its waves explain."""
        return (torch.from_numpy(self.pack.amplitudes).abs().square().sum(1) / 2.0).clamp(0.0, 1.0)

    def _pick_density(self, stage: Stage) -> int:
        """The same on all workers: the step number seeds the choice."""
        share = torch.tensor(list(stage.densities.values()))
        generator = torch.Generator().manual_seed(self.config.seed * 7_919 + self.images)
        return list(stage.densities)[int(torch.multinomial(share, 1, generator=generator))]

    def _real(self, density: int, size_px: int) -> Batch:
        count = self.config.batch // self.workers.count
        weight = self.class_weight * self.pack.resolves(density)[self.train_index]
        chosen = torch.multinomial(weight, count, replacement=True, generator=self.random)
        return self.pack.crop(self.train_index[chosen], density, size_px, self.random)

    def _fakes(self, real: Batch) -> Fakes:
        """Generate counterparts: same materials, same place in the layout, new noise; some with a
        code mixed within the class.
        """
        count = len(real.index)
        mixed = (torch.rand(count, generator=self.random) < self.config.mixed_share).to(self.device)
        partner = self._partners(real.index)
        t = torch.rand(count, 1, generator=self.random).to(self.device) * mixed[:, None]
        table = self.codes.table
        code = table[real.index] * (1 - t) + table[partner] * t
        code = code + self.config.code_noise * torch.randn(code.shape, generator=self.random).to(
            self.device
        )
        log2_density = torch.full((count, 1), math.log2(real.density / 256), device=self.device)
        style = self.generator.mapping(code, log2_density)
        start, layouts, noises = draw_fields(
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
        """The scans, or what the coarse pass makes, as a user's are; mixed codes have no scan."""
        if real.density <= COARSE_PX:
            return None
        if not bool(mixed.any()) and bool(
            torch.rand(1, generator=self.random) < self.config.scanned_guides
        ):
            return scanned_guide(self.pack, real)
        return generated_guide(self.ema_generator, self.pack, real, code, self.random)

    def _partners(self, index: Tensor) -> Tensor:
        """For each material another one of its class (or itself, in a class of one)."""
        same = self.group[index][:, None] == self.group[self.train_index][None]
        return self.train_index[torch.multinomial(same.float(), 1, generator=self.random)[:, 0]]

    def _ramp(self) -> float:
        return min(1.0, max(0.0, self.images / self.config.warmup_images - 1.0))

    def _update(self, optimizer: torch.optim.Optimizer, loss: Tensor, lr: float) -> None:
        left = (self.config.total_images - self.images) / (
            self.config.total_images * self.config.final_decay_share
        )
        for group in optimizer.param_groups:
            group["lr"] = self.rate * lr * max(0.05, min(1.0, left))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.workers.average_gradients([p for g in optimizer.param_groups for p in g["params"]])
        optimizer.step()

    @torch.no_grad()
    def _ema(self, images: int) -> None:
        half_life = min(self.config.ema_half_life_images, 100.0 + self.images * 0.1)
        keep = 0.5 ** (images / half_life)
        pairs = [(self.ema_generator, self.generator), (self.ema_codes, self.codes)]
        for slow, fast in pairs:
            torch._foreach_lerp_(list(slow.parameters()), list(fast.parameters()), 1.0 - keep)
