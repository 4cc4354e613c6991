# SPDX-License-Identifier: Apache-2.0
"""Training of the environment generator: its own maps seen coarsely and through frozen features,
and a game against a discriminator, in which places also stand under other skies.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.environment.layouts import (
    Surroundings,
    conditioning,
    mirrored,
    sides,
    sky_over_ground,
)
from texgen_server.networks.channels import STOPS
from texgen_server.networks.environment import EnvironmentGenerator
from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.networks.layers import channels_last
from texgen_server.networks.params import EnvironmentParams
from texgen_server.precision.autocast import quick
from texgen_server.training.adversarial import GAMES, PENALTY_EVERY, gradient_penalty
from texgen_server.training.distributed import Workers
from texgen_server.training.environment.data import HdrPack
from texgen_server.training.material.codes import Codes
from texgen_server.training.material.discriminator import VIEWS, Discriminator
from texgen_server.training.material.loop import Seen
from texgen_server.training.state import Networks, Optimizers, read_tensors, write_tensors

CROP_PX = 256
"""What is judged: windows of this width, upper and lower half by themselves."""
MARGIN_PX = 48
"""Columns on each side that are drawn and not judged, as they lack their surroundings."""
COARSE_PX = 4
EXPOSURES = (0.25, 0.02)
"""What the geometric mean becomes in the two pictures that are judged: one for the ground, one for
what is bright.
"""
HALVES = 2
GAME = GAMES["relativistic"]


@dataclass(frozen=True)
class EnvironmentConfig:
    """What shapes a run."""

    steps: int = 6000
    batch: int = 6
    """Windows of all workers together."""
    lr: float = 1e-3
    lr_discriminator: float = 2e-4
    coarse: float = 4.0
    features: float = 1.0
    adversarial: float = 0.1
    penalty: float = 1.0
    warmup_steps: int = 250
    """Without the game; its weight then rises over as many again."""
    mixed_share: float = 0.4
    code_noise: float = 0.05
    ema_half_life_steps: float = 200.0
    seed: int = 0
    params: EnvironmentParams = field(default_factory=EnvironmentParams)


@dataclass
class _Drawn:
    """A batch as it goes in: what is drawn, and the map that it is held against."""

    real: Tensor  # (B, 3, 512, 256)
    plans: list[Tensor]
    codes: Tensor  # (B, 2, code_dim)
    label: Tensor  # (B,) the map, or "some member"
    group: Tensor  # (B,)
    own: Tensor  # (B,) 1 where it is the map itself


class EnvironmentTrainer:
    """Holds networks, averages and optimisers."""

    def __init__(
        self,
        pack: HdrPack,
        train: list[int],
        config: EnvironmentConfig,
        workers: Workers | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.pack, self.config, self.workers = pack, config, workers or Workers()
        self.train_index = train
        names = sorted(set(pack.classes))
        self.group = [names.index(c) for c in pack.classes]
        counts = np.bincount([self.group[i] for i in train], minlength=len(names))
        self.weights = torch.tensor([float(counts[self.group[i]]) ** -0.5 for i in train])
        self.generator = channels_last(EnvironmentGenerator(config.params))
        self.codes = Codes(len(pack.assets), config.params.code_dim)
        self.discriminator = channels_last(
            Discriminator(len(pack.assets), len(names), 1, raw_channels=3)
        )
        self.features = FrozenFeatures("efficientnet-lite0")
        self.ema_generator = (
            copy.deepcopy(self.generator).eval().requires_grad_(requires_grad=False)
        )
        self.ema_codes = copy.deepcopy(self.codes).requires_grad_(requires_grad=False)
        self.optimizer_g = torch.optim.Adam(
            [*self.generator.parameters(), *self.codes.parameters()],
            config.lr,
            betas=(0.0, 0.99),
            fused=True,
        )
        trainable = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.optimizer_d = torch.optim.Adam(
            trainable, config.lr_discriminator, betas=(0.0, 0.99), fused=True
        )
        self.step_number = 0
        self.random = torch.Generator().manual_seed(self.stream_seed())

    def run(self) -> Iterator[dict[str, float]]:
        """Train to the end; yields each step's losses."""
        while self.step_number < self.config.steps:
            yield self.step()

    def stream_seed(self) -> int:
        """Of the random stream: another one on each worker, and after each start."""
        return self.config.seed + self.step_number * 17 + self.workers.rank * 1_000_003

    def step(self) -> dict[str, float]:
        """One update of both networks."""
        drawn = self._draw()
        made = self._generate(self.generator, drawn)
        with torch.no_grad():
            seen_real = self._look(drawn.real)
        seen = self._look(made)
        terms = self._fitting_terms(made, drawn, seen, seen_real)
        loss = torch.stack(list(terms.values())).sum()
        record = {}
        if self.step_number >= self.config.warmup_steps:
            loss_d = self._discriminator_loss(seen_real, seen, drawn)
            self._update(self.optimizer_d, loss_d, self.config.lr_discriminator)
            game = self._game(seen_real, seen, drawn)
            ramp = min(
                1.0, (self.step_number - self.config.warmup_steps + 1) / self.config.warmup_steps
            )
            loss = loss + ramp * self.config.adversarial * game
            record = {"d": float(loss_d.detach()), "g": float(game.detach())}
        self._update(self.optimizer_g, loss, self.config.lr)
        self._average()
        self.step_number += 1
        return (
            {"loss": float(loss.detach())}
            | {k: float(v.detach()) for k, v in terms.items()}
            | record
        )

    # -- what goes in
    # ----------------------------------------------------------------------------------------------

    def _draw(self) -> _Drawn:
        count, rows = self.config.batch // self.workers.count, self.config.params.layout_rows
        chosen = [
            self.train_index[k]
            for k in torch.multinomial(
                self.weights, count, replacement=True, generator=self.random
            ).tolist()
        ]
        reals, plans, pairs, labels, own = [], [], [], [], []
        for index in chosen:
            mixed, flip, flip_sky = (
                torch.rand(3, generator=self.random)
                < torch.tensor([self.config.mixed_share, 0.5, 0.5])
            ).tolist()
            other = self._partner(index) if mixed else index
            first = int(torch.randint(2 * rows, (1,), generator=self.random))
            reals.append(self._real(index, first, flip=flip))
            below, above = (
                surroundings(self.pack, index, flip=flip),
                surroundings(self.pack, other, flip=flip_sky if mixed else flip),
            )
            layout = (
                sky_over_ground(
                    above, below, sides(float(torch.rand(1, generator=self.random)), 2 * rows)
                )
                if mixed
                else below.layout
            )
            plans.append(
                [
                    self._window(conditioning(layout, above.light, rows * 2**i), first)
                    for i in range(len(self.config.params.widths))
                ]
            )
            pairs.append([other, index])
            labels.append(len(self.pack.assets) if mixed else index)
            own.append(0.0 if mixed else 1.0)
        codes = self.codes.table[torch.tensor(pairs)]
        codes = codes + self.config.code_noise * torch.randn(codes.shape, generator=self.random)
        levels = [
            torch.from_numpy(np.stack(level)).contiguous(memory_format=torch.channels_last)
            for level in zip(*plans, strict=True)
        ]
        group = torch.tensor([self.group[i] for i in chosen])
        return _Drawn(
            torch.from_numpy(np.stack(reals)),
            levels,
            codes,
            torch.tensor(labels),
            group,
            torch.tensor(own),
        )

    def _real(self, index: int, first: int, *, flip: bool) -> NDArray[np.float32]:
        stops = mirrored(self.pack.stops[index]) if flip else self.pack.stops[index]
        columns = (
            np.arange(CROP_PX)
            + first * (stops.shape[1] // self.config.params.layout_rows)
            + MARGIN_PX
        ) % stops.shape[2]
        return stops[:, :, columns].astype(np.float32)

    def _window(self, plan: NDArray[np.float32], first: int) -> NDArray[np.float32]:
        """What is drawn of a plan, from a column of the layout on."""
        rows = plan.shape[1]
        count = (CROP_PX + 2 * MARGIN_PX) * rows // self.config.params.rows
        return plan[
            :,
            :,
            (np.arange(count) + first * (rows // self.config.params.layout_rows)) % plan.shape[2],
        ]

    def _partner(self, index: int) -> int:
        same = [i for i in self.train_index if self.group[i] == self.group[index]]
        return same[int(torch.randint(len(same), (1,), generator=self.random))]

    def _generate(self, generator: EnvironmentGenerator, drawn: _Drawn) -> Tensor:
        count, params = len(drawn.real), self.config.params
        start = torch.randn(
            count, params.noise_channels, *drawn.plans[0].shape[2:], generator=self.random
        )
        noises = [
            torch.randn(count, 1, *plan.shape[2:], generator=self.random) for plan in drawn.plans
        ]
        with quick("cpu"):
            made: Tensor = generator(drawn.codes, start, drawn.plans, noises)
        return made[..., MARGIN_PX:-MARGIN_PX]

    # -- what is judged
    # ----------------------------------------------------------------------------------------------

    def _look(self, stops: Tensor) -> Seen:
        """Upper halves, then lower halves."""
        crop = torch.cat(stops.split(CROP_PX, 2))
        with quick("cpu"):
            taps = self.features(torch.cat([developed(crop, key) for key in EXPOSURES]))
        return Seen(crop, taps, crop * 0.5)

    def _fitting_terms(
        self, made: Tensor, drawn: _Drawn, seen: Seen, seen_real: Seen
    ) -> dict[str, Tensor]:
        """Of the maps themselves; mixtures have nothing to be held against but their layout."""
        rows = made.shape[2]
        weights = torch.cos(
            (torch.arange(rows // COARSE_PX) + 0.5) / (rows // COARSE_PX) * torch.pi
            - torch.pi / 2.0
        )[:, None]
        small, small_real = (F.avg_pool2d(m, COARSE_PX) for m in (made, drawn.real))
        own = drawn.own / drawn.own.sum().clamp_min(1.0)
        coarse = (
            ((small - small_real).abs() * weights / weights.mean()).mean((1, 2, 3)) * own
        ).sum()
        cell = rows // self.config.params.layout_rows
        cells = (
            F.avg_pool2d(made, cell)
            - drawn.plans[0][:, :3, :, MARGIN_PX // cell : -MARGIN_PX // cell]
        )
        features = []
        for tap, real in zip(seen.taps, seen_real.taps, strict=True):
            difference = (tap.float() - real.float()).abs().mean(
                (1, 2, 3)
            ) / real.float().abs().mean((1, 2, 3)).clamp_min(1e-3)
            features.append((difference.reshape(VIEWS * HALVES, -1).mean(0) * own).sum())
        return {
            "coarse": self.config.coarse * coarse,
            "layout": self.config.coarse * (cells.abs() - 0.1).clamp_min(0.0).mean(),
            "features": self.config.features * torch.stack(features).mean(),
        }

    def _told(self, drawn: _Drawn) -> Tensor:
        return self.discriminator.condition(
            drawn.label.repeat(HALVES), drawn.group.repeat(HALVES), 0
        )

    def _game(self, real: Seen, fake: Seen, drawn: _Drawn) -> Tensor:
        self.discriminator.requires_grad_(requires_grad=False)
        with quick("cpu"):
            told = self._told(drawn)
            scores, reals = (
                self.discriminator(fake.taps, fake.raw, told),
                self.discriminator(real.taps, real.raw, told),
            )
        self.discriminator.requires_grad_(requires_grad=True)
        self.discriminator.mixing.requires_grad_(requires_grad=False)
        return GAME.generator(reals, scores)

    def _discriminator_loss(self, real: Seen, fake: Seen, drawn: _Drawn) -> Tensor:
        with quick("cpu"):
            told = self._told(drawn)
            reals = self.discriminator(real.taps, real.raw, told)
            fakes = self.discriminator([t.detach() for t in fake.taps], fake.raw.detach(), told)
        loss = GAME.discriminator(reals, fakes)
        if self.step_number % PENALTY_EVERY == 0:
            loss = loss + PENALTY_EVERY * self.config.penalty * gradient_penalty(
                self.discriminator, GAME.penalty, real, fake, self._told(drawn)
            )
        return loss

    def _update(self, optimizer: torch.optim.Optimizer, loss: Tensor, lr: float) -> None:
        done = self.step_number / self.config.steps
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1.0, (self.step_number + 1) / 50, 0.05 + 2.0 * (1.0 - done))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [p for g in optimizer.param_groups for p in g["params"]]
        self.workers.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 10.0)
        optimizer.step()

    @torch.no_grad()
    def _average(self) -> None:
        keep = 0.5 ** (1.0 / min(self.config.ema_half_life_steps, 10.0 + self.step_number / 4))
        for slow, fast in ((self.ema_generator, self.generator), (self.ema_codes, self.codes)):
            torch._foreach_lerp_(list(slow.parameters()), list(fast.parameters()), 1.0 - keep)


def developed(stops: Tensor, key: float) -> Tensor:
    """Log2 radiance in units of `STOPS` -> a picture in [-1, 1] in which radiance 1 becomes about
    ``key``; highlights roll off.
    """
    radiance = torch.exp2(stops.float() * STOPS) * key
    return (radiance / (1.0 + radiance)).clamp_min(1e-4) ** (1.0 / 2.2) * 2.0 - 1.0


def surroundings(pack: HdrPack, index: int, *, flip: bool) -> Surroundings:
    """One map of a pack."""
    first = pack.lights[index][0] if pack.lights[index] else None
    place = Surroundings(
        pack.layouts[index], pack.skies[index], (0.0, first.elevation_deg) if first else None
    )
    return place.mirrored() if flip else place


def save_environment(trainer: EnvironmentTrainer, path: Path) -> None:
    """Write everything `load_environment` needs, atomically."""
    write_tensors(*_held(trainer), path, {"steps": str(trainer.step_number)})


def load_environment(trainer: EnvironmentTrainer, path: Path) -> None:
    """Continue where `save_environment` stood (but for the random stream, which starts anew)."""
    _, about = read_tensors(*_held(trainer), path)
    trainer.step_number = int(about["steps"])
    trainer.random.manual_seed(trainer.stream_seed())


def _held(trainer: EnvironmentTrainer) -> tuple[Networks, Optimizers]:
    networks = ("generator", "codes", "discriminator", "ema_generator", "ema_codes")
    return {n: getattr(trainer, n) for n in networks}, {
        n: getattr(trainer, n) for n in ("optimizer_g", "optimizer_d")
    }
