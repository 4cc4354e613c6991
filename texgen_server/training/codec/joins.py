# SPDX-License-Identifier: Apache-2.0
"""The second phase: the decoder learns grain and joins from a discriminator, on latents that real
index maps have re-laid.

Inside a coherent patch the right pixels are known, so reconstruction counts there; at joins only
the discriminator acts. The encoder is frozen.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from texgen_server.networks.codec import CELL_PX, CHANNEL_WEIGHTS, Codec, draw_noise
from texgen_server.networks.layers import channels_last
from texgen_server.precision.autocast import exact, quick
from texgen_server.training.codec.common import Clock, average_into, charbonnier
from texgen_server.training.codec.critic import Critic, critic_loss, painter_loss, squared_gradient
from texgen_server.training.codec.pixels import PictureSet, turn
from texgen_server.training.codec.settings import CodecConfig

ALONE_SHARE, RAMP_SHARE, DECAY_SHARE = 0.05, 0.15, 0.4
"""Of the phase: the discriminator learns before the decoder feels it, then its weight grows to the
full one; at the end learning rates fall.
"""
EDGE_CELLS = 4
"""Latents nearer to the edge of a picture that does not wrap lack their surroundings."""

IndexMap = NDArray[np.int64]
"""(h, w, 2): for each cell of a re-laid torus, row and column of the exemplar's cell that stands
there.
"""


@dataclass
class Relaid:
    """Quantised latents of all pictures, flat, with the index maps that there are."""

    latents: Tensor  # (cells, n)
    starts: Tensor  # (N,)
    cells: Tensor  # (N, 2) rows and columns
    condition: Tensor  # (N, 2 n) mean and deviation of each latent, scaled to about 1
    # (cells, 2) the index map of each picture, flat, at the same starts; the identity where there
    # is none
    maps: Tensor


@torch.no_grad()
def encode_all(codec: Codec, pictures: PictureSet, index_maps: dict[str, IndexMap]) -> Relaid:
    """Encode every picture once.

    Index maps, by asset id, fit pictures of their own or of twice their size in cells.
    """
    latents, cells, statistics, maps = [], [], [], []
    for row in range(len(pictures)):
        border = "circular" if bool(pictures.wraps[row]) else "zeros"
        known = pictures.known[row].view(1, -1, 1, 1)
        z = codec.encoder(pictures.whole(row) * known, border).round()[0]
        scaled = z * codec.decoder.scale[0]
        statistics.append(torch.cat([scaled.mean((1, 2)), scaled.std((1, 2))]))
        rows, columns = z.shape[1:]
        cells.append((rows, columns))
        latents.append(z.flatten(1).T)
        identity = np.moveaxis(np.mgrid[0:rows, 0:columns], 0, -1)
        laid = _fitting(index_maps.get(pictures.ids[row]), identity)
        maps.append(torch.from_numpy(laid.reshape(-1, 2).astype(np.int64)))
    sizes = [h * w for h, w in cells]
    starts = torch.tensor([0, *np.cumsum(sizes)[:-1].tolist()], device=pictures.device)
    return Relaid(
        torch.cat(latents),
        starts,
        torch.tensor(cells, device=pictures.device),
        torch.stack(statistics),
        torch.cat(maps).to(pictures.device),
    )


def _fitting(index_map: IndexMap | None, identity: IndexMap) -> IndexMap:
    """The index map itself, or for twice as many cells the same with each cell doubled, or the
    identity where neither fits.
    """
    if index_map is not None and index_map.shape == identity.shape:
        return index_map
    if index_map is not None and tuple(2 * n for n in index_map.shape[:2]) == identity.shape[:2]:
        return 2 * index_map.repeat(2, 0).repeat(2, 1) + identity % 2
    return identity


@dataclass
class JoinBatch:
    """What one step sees."""

    real: Tensor  # (B, 9, S, S) other crops of the same exemplars
    target: Tensor  # (B, 9, S, S) the exemplar's pixels where the latents come from
    latents: Tensor  # (B, n, s, s)
    coherent: Tensor  # (B, 1, S, S) 1 where all neighbours come from the same place
    known: Tensor  # (B, 9, 1, 1)
    condition: Tensor  # (B, 2 n)


class JoinTrainer:
    """Decoder, averaged decoder, discriminator and their optimisers."""

    def __init__(
        self,
        codec: Codec,
        pictures: PictureSet,
        rows: list[int],
        relaid: Relaid,
        config: CodecConfig,
    ) -> None:
        self.device, self.config, self.pictures, self.relaid = (
            pictures.device,
            config,
            pictures,
            relaid,
        )
        self.rows = torch.tensor(rows, device=self.device)
        self.params = codec.params
        self.decoder = channels_last(codec.decoder.to(self.device)).requires_grad_()
        self.average = copy.deepcopy(self.decoder).eval().requires_grad_(requires_grad=False)
        torch.manual_seed(config.seed)
        self.critic = channels_last(
            Critic(config.critic_width, 2 * codec.params.latents).to(self.device)
        )
        self.optimizer = torch.optim.AdamW(
            self.decoder.parameters(), config.joins_lr, betas=(0.0, 0.99), fused=True
        )
        self.critic_optimizer = torch.optim.AdamW(
            self.critic.parameters(), 2.0 * config.joins_lr, betas=(0.0, 0.99), fused=True
        )
        self.weights = torch.tensor(CHANNEL_WEIGHTS, device=self.device).view(1, -1, 1, 1)
        self.random = torch.Generator(self.device).manual_seed(config.seed + 1)
        self.clock = Clock(config.joins_minutes)
        self.step_number = 0

    def run(self) -> Iterator[dict[str, Tensor]]:
        """Train until the time is up; yields each step's figures, still on the device."""
        while self.clock.share < 1.0:
            yield self.step()

    def step(self) -> dict[str, Tensor]:
        """One update of the discriminator and one of the decoder."""
        self._set_rates()
        batch = self.batch()
        cells = batch.latents.shape[-1]
        noise = draw_noise(
            self.params, (len(batch.latents), cells, cells), self.device, self.random
        )
        with quick(self.device):
            made = self.decoder(batch.latents, noise, "zeros").float()
        code = self.step_number % 8
        judge_real, judge_made = (
            turn(self._judged(m, batch.known), code) for m in (batch.real, made)
        )
        critic = self._critic_step(judge_real, judge_made.detach(), batch.condition)
        weight = self.adversarial_weight
        cut = slice(self.config.margin_px, -self.config.margin_px)
        error = charbonnier((made - batch.target) * batch.known * self.weights) * batch.coherent
        reconstruction = error[..., cut, cut].mean()
        painter = reconstruction.new_zeros(())
        if weight > 0:
            self.critic.requires_grad_(requires_grad=False)
            with quick(self.device):
                fake = self.critic(judge_made, batch.condition).float()
                with torch.no_grad():
                    real = self.critic(judge_real, batch.condition).float()
            painter = painter_loss(real, fake)
            self.critic.requires_grad_()
        self.optimizer.zero_grad(set_to_none=True)
        (reconstruction + weight * painter).backward()
        torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), 1.0)
        self.optimizer.step()
        self.step_number += 1
        average_into(self.average, self.decoder, min(self.config.ema, 0.998), self.step_number)
        return {
            "critic": critic,
            "reconstruction": reconstruction.detach(),
            "painter": painter.detach(),
        }

    @property
    def adversarial_weight(self) -> float:
        """Weight of the discriminator for the decoder at this time."""
        return self.config.adversarial * float(
            np.clip((self.clock.share - ALONE_SHARE) / RAMP_SHARE, 0.0, 1.0)
        )

    def batch(self) -> JoinBatch:
        """Two of three are re-laid where there is an index map; the others are coherent."""
        config, relaid, pictures = self.config, self.relaid, self.pictures
        rows = self.rows[
            torch.randint(
                len(self.rows), (config.batch,), device=self.device, generator=self.random
            )
        ]
        real = pictures.crops(
            rows, pictures.corners(rows, config.crop_px, 1, self.random), config.crop_px
        )
        y, x = self._places(rows, config.crop_px // CELL_PX)
        height, width = (relaid.cells[rows, axis, None, None] for axis in (0, 1))
        index = relaid.starts[rows, None, None] + (y % height) * width + x % width
        laid = relaid.maps[index]
        shuffled = (torch.arange(config.batch, device=self.device) % 3 > 0)[:, None, None]
        from_y, from_x = (
            torch.where(shuffled, laid[..., 0], y % height),
            torch.where(shuffled, laid[..., 1], x % width),
        )
        latents = relaid.latents[relaid.starts[rows, None, None] + from_y * width + from_x].permute(
            0, 3, 1, 2
        )
        target = pictures.gather(rows, _to_pixels(from_y, 1), _to_pixels(from_x, 2))
        coherent = _coherent(from_y, from_x, height, width)
        known = pictures.known[rows, :, None, None]
        return JoinBatch(
            real,
            target,
            latents.contiguous(memory_format=torch.channels_last),
            coherent.repeat_interleave(CELL_PX, 2).repeat_interleave(CELL_PX, 3),
            known,
            relaid.condition[rows],
        )

    def _places(self, rows: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Cells (B, size, size) of random windows, inside pictures that do not wrap."""
        wraps, cells = self.pictures.wraps[rows, None], self.relaid.cells[rows]
        low = torch.where(wraps, 0, EDGE_CELLS)
        span = torch.where(wraps, cells, cells - size - 2 * EDGE_CELLS + 1).clamp_min(1)
        corner = (
            low
            + (torch.rand(len(rows), 2, device=self.device, generator=self.random) * span).long()
        )
        steps = torch.arange(size, device=self.device)
        y = corner[:, 0, None, None] + steps[None, :, None].expand(1, size, size)
        x = corner[:, 1, None, None] + steps[None, None, :].expand(1, size, size)
        return y, x

    def _judged(self, maps: Tensor, known: Tensor) -> Tensor:
        cut = slice(self.config.margin_px, -self.config.margin_px)
        return (maps * known)[..., cut, cut]

    def _critic_step(self, real: Tensor, made: Tensor, condition: Tensor) -> Tensor:
        penalised = self.step_number % self.config.penalty_every == 0
        if penalised:
            real, made = real.detach().requires_grad_(), made.detach().requires_grad_()
        with exact(self.device) if penalised else quick(self.device):
            scores = self.critic(real, condition).float(), self.critic(made, condition).float()
        loss = critic_loss(*scores)
        total = loss
        if penalised:
            penalty = squared_gradient(scores[0], real) + squared_gradient(scores[1], made)
            total = loss + self.config.penalty_every * self.config.gradient_penalty / 2 * penalty
        self.critic_optimizer.zero_grad(set_to_none=True)
        total.backward()
        self.critic_optimizer.step()
        return loss.detach()

    def _set_rates(self) -> None:
        share = self.clock.share
        decay = 1.0 if share < 1.0 - DECAY_SHARE else max(0.02, (1.0 - share) / DECAY_SHARE)
        factor = decay * min(1.0, (self.step_number + 1) / 300)
        for optimizer, lr in (
            (self.optimizer, self.config.joins_lr),
            (self.critic_optimizer, 2.0 * self.config.joins_lr),
        ):
            for group in optimizer.param_groups:
                group["lr"] = lr * factor


def _to_pixels(cells: Tensor, axis: int) -> Tensor:
    """(B, h, w) cell coordinates -> (B, 8 h, 8 w) pixel coordinates along ``axis``."""
    fine = cells.repeat_interleave(CELL_PX, 1).repeat_interleave(CELL_PX, 2) * CELL_PX
    shape = [1, 1, 1]
    shape[axis] = fine.shape[axis]
    return fine + (torch.arange(fine.shape[axis], device=cells.device) % CELL_PX).view(shape)


def _coherent(y: Tensor, x: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """(B, 1, h, w) float: 1 where a cell's four neighbours are its neighbours in the
    exemplar too.
    """
    good = torch.ones_like(y, dtype=torch.bool)
    for axis in (1, 2):
        down, right = y.diff(dim=axis) - int(axis == 1), x.diff(dim=axis) - int(axis == 2)
        same = ((down % height) == 0) & ((right % width) == 0)
        count = y.shape[axis]
        good.narrow(axis, 1, count - 1).logical_and_(same)
        good.narrow(axis, 0, count - 1).logical_and_(same)
    return good[:, None].float()
