# SPDX-License-Identifier: Apache-2.0
"""The first phase: encoder and decoder learn to reconstruct crops at a wanted rate."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from texgen_server.networks.codec import CHANNEL_WEIGHTS, Codec
from texgen_server.networks.layers import channels_last
from texgen_server.precision.autocast import quick
from texgen_server.training.codec.common import Clock, average_into, charbonnier, cosine
from texgen_server.training.codec.pixels import PictureSet, turn
from texgen_server.training.codec.rate import RateControl
from texgen_server.training.codec.settings import CodecConfig

START_BITS = 20.0
"""How much more the estimate on crops reads than what is counted on whole sets, at the start."""


class ReconstructionTrainer:
    """Network, averaged network, optimiser and rate control."""

    def __init__(
        self, codec: Codec, pictures: PictureSet, rows: list[int], config: CodecConfig
    ) -> None:
        self.device, self.config, self.pictures = pictures.device, config, pictures
        self.rows = torch.tensor(rows, device=self.device)
        self.codec = channels_last(codec.to(self.device))
        self.average = copy.deepcopy(self.codec).eval().requires_grad_(requires_grad=False)
        self.optimizer = torch.optim.AdamW(
            self.codec.parameters(), config.lr, betas=(0.9, 0.98), weight_decay=1e-4, fused=True
        )
        self.rate = RateControl(config.bits + START_BITS, self.device)
        self.weights = torch.tensor(CHANNEL_WEIGHTS, device=self.device).view(1, -1, 1, 1)
        self.random = torch.Generator(self.device).manual_seed(config.seed)
        self.clock = Clock(config.codec_minutes)
        self.step_number = 0

    def run(self) -> Iterator[dict[str, Tensor]]:
        """Train until the time is up; yields each step's figures, still on the device."""
        while self.clock.share < 1.0:
            yield self.step()

    def step(self) -> dict[str, Tensor]:
        """One update."""
        config = self.config
        maps, known = self.batch()
        with quick(self.device):
            latents = self.codec.encoder(maps, "zeros")
            dithered = latents + torch.empty_like(latents).uniform_(
                -0.5, 0.5, generator=self.random
            )
            made = self.codec.decoder(dithered, None, "zeros")
        cut = slice(config.margin_px, -config.margin_px)
        error = ((made.float() - maps) * known * self.weights)[..., cut, cut]
        reconstruction = charbonnier(error).mean()
        loss = reconstruction + self.rate.term(latents)
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * cosine(self.clock.share, self.step_number)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.codec.parameters(), 1.0)
        self.optimizer.step()
        self.step_number += 1
        average_into(self.average, self.codec, config.ema, self.step_number)
        return {"reconstruction": reconstruction.detach(), "loss": loss.detach()}

    def batch(self) -> tuple[Tensor, Tensor]:
        """Crops (B, 9, S, S), the same turn for all, and which channels count (B, 9, 1, 1)."""
        drawn = torch.randint(
            len(self.rows), (self.config.batch,), device=self.device, generator=self.random
        )
        rows = self.rows[drawn]
        crops = self.pictures.crops(
            rows,
            self.pictures.corners(rows, self.config.crop_px, 1, self.random),
            self.config.crop_px,
        )
        code = (self.step_number * 5) % 8
        known = self.pictures.known[rows, :, None, None]
        if code & 4:
            known = known[:, [0, 1, 2, 4, 3, 5, 6, 7, 8]]
        maps = turn(crops * self.pictures.known[rows, :, None, None], code)
        return maps.contiguous(memory_format=torch.channels_last), known
