# SPDX-License-Identifier: Apache-2.0
"""The training loop: simultaneous generator and discriminator steps on one forward pass, EMA, stages of growing size.

Runs in one process on CPU or CUDA, or as several under ``torchrun`` (gradients are averaged). All state is in safetensors.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.layers import channels_last
from texgen_server.networks.material import MaterialGenerator, MaterialParams
from texgen_server.training import losses
from texgen_server.training.data import DENSITIES, Batch, Pack
from texgen_server.training.discriminator import Discriminator, make_views, raw_channels
from texgen_server.training.distributed import Workers
from texgen_server.training.features import TAP_CHANNELS, FrozenFeatures

WINDOW_MARGIN_PX = 16
"""A window of a larger field is generated on a torus of its own; this border of it is not judged."""


@dataclass(frozen=True)
class Stage:
    """One size of training image and the densities (px per tile) it is cut from, with their probabilities."""

    size_px: int
    images: int
    densities: dict[int, float]


@dataclass(frozen=True)
class TrainConfig:
    """Everything that shapes a run; written into the log."""

    stages: tuple[Stage, ...]
    batch: int = 16
    lr_generator: float = 1e-3
    lr_discriminator: float = 3e-4
    warmup_images: int = 2500  # statistics only, then the adversarial loss ramps in over as many again
    adversarial: float = 1.0
    statistics: float = 8.0
    layout: float = 2.0
    code_noise: float = 0.1
    mixed_share: float = 0.15
    ema_half_life_images: float = 4000.0
    final_decay_share: float = 0.3  # the last part of all images runs on a falling learning rate
    seed: int = 0
    params: MaterialParams = field(default_factory=MaterialParams)

    @property
    def total_images(self) -> int:
        """Images over all stages."""
        return sum(s.images for s in self.stages)


class Codes(nn.Module):
    """One learned code per training material; `Trainer.measure_codes` gives it a start worth having."""

    def __init__(self, materials: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(materials, dim) * 0.5)


def initial_codes(statistics: list[Tensor], pixels: Tensor, log_relief: Tensor, train: Tensor, dim: int) -> Tensor:
    """Codes measured from the materials themselves, so that what is learned on one material serves its neighbours at once.

    The first 15 numbers are the mean and deviation of each map and the logarithm of the relief, the others the principal components
    of the frozen features' means and deviations. Fitted on the ``train`` rows only; all rows are projected. (N, dim)
    """
    direct = torch.cat([pixels[0], pixels[1], log_relief[:, None]], 1)
    direct = (direct - direct[train].mean(0)) / direct[train].std(0).clamp_min(1e-3)
    moments = [s for s in statistics if s.shape[1] <= 2 * max(TAP_CHANNELS)]
    features = torch.cat([(m - m[train].mean(0)) / m[train].std() for m in moments], 1)
    _, _, axes = torch.linalg.svd(features[train], full_matrices=False)
    scores = features @ axes[: dim - direct.shape[1]].T
    scores = scores / scores[train].std(0).sqrt()
    scores = F.pad(scores / scores[train].std(), (0, dim - direct.shape[1] - scores.shape[1]))  # fewer materials than numbers
    return 0.5 * torch.cat([direct, scores], 1).clamp(-4.0, 4.0)


@dataclass
class Fakes:
    """One batch of generated images and what the discriminator is told about them."""

    maps: Tensor
    layout: Tensor  # at 1/8 of the size
    label: Tensor  # (B,) material, or the "some member" index
    own: Tensor  # (B,) 1 where the code is that of one material, 0 where it is a mix


class Trainer:
    """Holds networks, optimisers and targets; `run` yields a log record now and then."""

    def __init__(self, pack: Pack, train: list[int], config: TrainConfig, device: torch.device, workers: Workers) -> None:
        torch.manual_seed(config.seed)
        self.pack, self.config, self.device, self.workers = pack, config, device, workers
        self.train_index = torch.tensor(train)
        names = sorted(set(pack.classes))
        self.group = torch.tensor([names.index(c) for c in pack.classes])
        self.generator = channels_last(MaterialGenerator(config.params).to(device))
        self.codes = Codes(len(pack.assets), config.params.code_dim).to(device)
        self.discriminator = channels_last(Discriminator(len(pack.assets), len(names), len(DENSITIES)).to(device))
        self.features = FrozenFeatures("efficientnet-lite0").to(device)
        self.ema_generator = copy.deepcopy(self.generator).eval().requires_grad_(requires_grad=False)
        self.ema_codes = copy.deepcopy(self.codes).requires_grad_(requires_grad=False)
        fused = {"betas": (0.0, 0.99), "fused": True}
        self.optimizer_g = torch.optim.Adam([*self.generator.parameters(), *self.codes.parameters()], config.lr_generator, **fused)  # type: ignore[arg-type]
        trainable = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.optimizer_d = torch.optim.Adam(trainable, config.lr_discriminator, **fused)  # type: ignore[arg-type]
        self.images = 0
        self.random = torch.Generator().manual_seed(config.seed * 1000 + workers.rank)
        self.targets: dict[tuple[int, int], tuple[losses.StatisticsTarget, Tensor]] = {}
        self.relief = pack.relief.to(device)
        self.class_weight = self._balanced()

    def _balanced(self) -> Tensor:
        """Sampling weight per training material: classes count with the square root of their size."""
        group = self.group[self.train_index]
        count = torch.bincount(group, minlength=int(self.group.max()) + 1).float()
        return count[group].rsqrt()

    @torch.no_grad()
    def measure_codes(self) -> None:
        """Start the codes from measured statistics (a fresh run only)."""
        target, pixels = self._target(self.config.stages[0].size_px, 256)
        codes = initial_codes(target.mean, pixels, self.relief.log(), self.train_index, self.config.params.code_dim)
        self.codes.table.copy_(codes)
        self.ema_codes.table.copy_(codes)

    # -- one step ---------------------------------------------------------------------------------------------------------

    def run(self, on_log: Callable[[dict[str, float]], None], log_every: int = 400) -> Iterator[Stage]:
        """Train through all stages from where ``images`` stands; yields the current stage after every step."""
        started, last, steps = time.monotonic(), self.images, 0
        sums: dict[str, float] = {}
        while (stage := self.current_stage()) is not None:
            record = self.step(stage)
            steps += 1
            for key, value in record.items():
                sums[key] = sums.get(key, 0.0) + value
            if self.images // log_every != last // log_every:
                seconds = time.monotonic() - started
                on_log(
                    {"images": self.images, "size_px": stage.size_px, "images_per_s": (self.images - last) / seconds}
                    | {k: v / steps for k, v in sums.items()}
                )
                started, last, sums, steps = time.monotonic(), self.images, {}, 0
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
        config = self.config
        density = self._pick_density(stage)
        target, pixel_target = self._target(stage.size_px, density)
        real = self._real(density, stage.size_px)
        fakes = self._fakes(real)
        scale_px = self.relief[real.index] * density
        crop = (lambda x: x) if real.extent_tiles == 1.0 else _judged_window
        level = DENSITIES.index(density)
        group = self.group[real.index].to(self.device)
        with torch.no_grad():
            real_maps = crop(real.maps.to(self.device))
            real_views = make_views(real_maps, scale_px)
            real_taps = self.features(torch.cat(real_views))
        fake_maps = crop(fakes.maps)
        fake_views = make_views(fake_maps, scale_px)
        fake_taps = self.features(torch.cat(fake_views))
        fake_raw = raw_channels(fake_maps, fake_views)

        loss_d = self._discriminator_loss(
            (real_taps, raw_channels(real_maps, real_views)), ([t.detach() for t in fake_taps], fake_raw.detach()), fakes, group, level
        )
        self._update(self.optimizer_d, loss_d, config.lr_discriminator)

        adversarial = self._ramp() * config.adversarial
        loss_s = target.distance(losses.texture_statistics(fake_taps), real.index, fakes.own)
        loss_p = losses.pixel_statistics(fake_maps, pixel_target[0, real.index], pixel_target[1, real.index], fakes.own)
        loss_l = self._layout_loss(fakes, real)
        style_relief = torch.log(self.style_relief / self.relief[real.index]).abs()
        loss_g = config.statistics * loss_s + loss_p + config.layout * loss_l + (style_relief * fakes.own).mean()
        if real.extent_tiles == 1.0:
            spectrum = (losses.radial_spectrum(fake_maps) - losses.radial_spectrum(real_maps)).abs().mean((1, 2))
            loss_g = loss_g + 0.3 * (spectrum * fakes.own).mean()
        if adversarial > 0:
            self.discriminator.requires_grad_(requires_grad=False)
            with self._autocast():
                condition = self.discriminator.condition(fakes.label, group, level)
                scores = self.discriminator(fake_taps, fake_raw, condition)
            loss_g = loss_g + adversarial * losses.hinge_generator(scores)
            self._unfreeze()
        self._update(self.optimizer_g, loss_g, config.lr_generator)
        self._ema(config.batch)
        self.images += config.batch
        terms = {"d": loss_d, "g": loss_g, "statistics": loss_s, "pixels": loss_p, "layout": loss_l}
        return {k: float(v.detach()) for k, v in terms.items()}

    def _discriminator_loss(
        self, real: tuple[list[Tensor], Tensor], fake: tuple[list[Tensor], Tensor], fakes: Fakes, group: Tensor, level: int
    ) -> Tensor:
        with self._autocast():
            condition = self.discriminator.condition(fakes.label, group, level)
            taps = [torch.cat([r.chunk(2)[0], f.chunk(2)[0], r.chunk(2)[1], f.chunk(2)[1]]) for r, f in zip(real[0], fake[0], strict=True)]
            scores = self.discriminator(taps, torch.cat([real[1], fake[1]]), torch.cat([condition, condition]))
        halves = [s.chunk(2) for s in scores]
        return losses.hinge_discriminator([h[0] for h in halves], [h[1] for h in halves])

    def _layout_loss(self, fakes: Fakes, real: Batch) -> Tensor:
        strength = self.layout_strength[real.index].to(self.device)
        return losses.layout_error(fakes.maps, fakes.layout, strength, fakes.own)

    # -- parts ------------------------------------------------------------------------------------------------------------

    @property
    def layout_strength(self) -> Tensor:
        """(materials, 5) share of each channel's variance that its waves explain."""
        return (torch.from_numpy(self.pack.amplitudes).abs().square().sum(1) / 2.0).clamp(0.0, 1.0)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16)

    def _pick_density(self, stage: Stage) -> int:
        """The same on all workers: the step number seeds the choice."""
        share = torch.tensor(list(stage.densities.values()))
        generator = torch.Generator().manual_seed(self.config.seed * 7_919 + self.images)
        return list(stage.densities)[int(torch.multinomial(share, 1, generator=generator))]

    def _real(self, density: int, size_px: int) -> Batch:
        count = self.config.batch // self.workers.count
        chosen = torch.multinomial(self.class_weight, count, replacement=True, generator=self.random)
        return self.pack.crop(self.train_index[chosen], density, size_px, self.random)

    def _fakes(self, real: Batch) -> Fakes:
        """Generate counterparts: same materials, same place in the layout, new noise; some with a code mixed within the class."""
        count = len(real.index)
        mixed = (torch.rand(count, generator=self.random) < self.config.mixed_share).to(self.device)
        partner = self._partners(real.index)
        t = torch.rand(count, 1, generator=self.random).to(self.device) * mixed[:, None]
        table = self.codes.table
        code = table[real.index] * (1 - t) + table[partner] * t
        code = code + self.config.code_noise * torch.randn(code.shape, generator=self.random).to(self.device)
        log2_density = torch.full((count, 1), math.log2(real.density / 256), device=self.device)
        style = self.generator.mapping(code, log2_density)
        self.style_relief = self.generator.relief_tiles(style)
        sizes = [real.maps.shape[-1] // 32 * 2**i for i in range(self.config.params.levels)]
        layouts = self.pack.layouts(real, sizes, self.device)
        start = torch.randn(count, self.config.params.noise_channels, sizes[0], sizes[0], generator=self.random).to(self.device)
        noises = [torch.randn(count, 1, n, n, generator=self.random).to(self.device) for n in sizes]
        with self._autocast():
            maps = self.generator(style, start.contiguous(memory_format=torch.channels_last), layouts, noises)
        label = torch.where(mixed.cpu(), len(self.pack.assets), real.index).to(self.device)
        return Fakes(maps, layouts[2], label, 1.0 - mixed.float())

    def _partners(self, index: Tensor) -> Tensor:
        """For each material another one of its class (or itself, in a class of one)."""
        same = self.group[index][:, None] == self.group[self.train_index][None]
        return self.train_index[torch.multinomial(same.float(), 1, generator=self.random)[:, 0]]

    def _ramp(self) -> float:
        return min(1.0, max(0.0, self.images / self.config.warmup_images - 1.0))

    def _unfreeze(self) -> None:
        self.discriminator.requires_grad_(requires_grad=True)
        self.discriminator.mixing.requires_grad_(requires_grad=False)

    def _update(self, optimizer: torch.optim.Optimizer, loss: Tensor, lr: float) -> None:
        left = (self.config.total_images - self.images) / (self.config.total_images * self.config.final_decay_share)
        for group in optimizer.param_groups:
            group["lr"] = lr * max(0.05, min(1.0, left))
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

    @torch.no_grad()
    def _target(self, size_px: int, density: int, crops: int = 4) -> tuple[losses.StatisticsTarget, Tensor]:
        """Statistics of every material at this size and density, measured once."""
        key = (size_px, density)
        if key not in self.targets:
            generator = torch.Generator().manual_seed(1)
            samples, pixels = [], []
            for _ in range(crops):
                parts, moments = [], []
                for index in torch.arange(len(self.pack.assets)).split(16):
                    batch = self.pack.crop(index, density, size_px, generator)
                    maps = batch.maps.to(self.device)
                    maps = maps if batch.extent_tiles == 1.0 else _judged_window(maps)
                    taps = self.features(torch.cat(make_views(maps, self.relief[index] * density)))
                    parts.append(losses.texture_statistics(taps))
                    moments.append(torch.stack([maps.mean((2, 3)), maps.std((2, 3))]))
                samples.append([torch.cat(column) for column in zip(*parts, strict=True)])
                pixels.append(torch.cat(moments, 1))
            self.targets[key] = (losses.StatisticsTarget.from_samples(samples), torch.stack(pixels).mean(0))
        return self.targets[key]


def _judged_window(maps: Tensor) -> Tensor:
    """The part of a window that its own wrap-around does not touch."""
    m = WINDOW_MARGIN_PX
    return maps[..., m:-m, m:-m]
