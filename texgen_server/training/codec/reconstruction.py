# SPDX-License-Identifier: Apache-2.0
"""The first phase: encoder and decoder learn to reconstruct crops at a wanted rate."""

from __future__ import annotations

import torch
from torch import Tensor

from texgen_server.networks.codec import CHANNEL_WEIGHTS, Codec
from texgen_server.networks.layers import channels_last
from texgen_server.precision.autocast import quick
from texgen_server.training.codec.pixels import PictureSet, turn
from texgen_server.training.codec.rate import RateControl
from texgen_server.training.codec.schedule import cosine
from texgen_server.training.codec.settings import CodecConfig
from texgen_server.training.codec.trainer import CodecTrainer, charbonnier
from texgen_server.training.trainer import averaged

START_BITS = 20.0
"""Excess of the estimate on crops over the bits counted on whole sets, at the start."""


class ReconstructionTrainer(CodecTrainer):
    """Network, averaged network, optimiser and rate control."""

    def __init__(
        self, codec: Codec, pictures: PictureSet, rows: list[int], config: CodecConfig
    ) -> None:
        super().__init__(pictures, config, config.codec_minutes)
        self.rows = torch.tensor(rows, device=self.device)
        self.codec = channels_last(codec.to(self.device))
        self.average = averaged(self.codec)
        self.optimizer = torch.optim.AdamW(
            self.codec.parameters(),
            config.lr,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.rate = RateControl(config.bits + START_BITS, self.device)
        self.weights = torch.tensor(CHANNEL_WEIGHTS, device=self.device).view(1, -1, 1, 1)
        self.networks = {"network": self.codec, "average": self.average}
        self.optimizers = {"optimizer": self.optimizer}
        self.averages = [(self.average, self.codec)]

    def rate_factor(self) -> float:
        """Return the learning-rate factor at this time."""
        return cosine(self.clock.share, self.position)

    def metadata(self) -> dict[str, str]:
        """Return steps and seconds so far, and the state of the rate control."""
        rate = {"target_bits": self.rate.target_bits, "rate_weight": float(self.rate.weight)}
        return super().metadata() | {k: str(v) for k, v in rate.items()}

    def restore(self, metadata: dict[str, str]) -> None:
        """Take over what `metadata` returned."""
        super().restore(metadata)
        self.rate.target_bits = float(metadata["target_bits"])
        self.rate.weight.fill_(float(metadata["rate_weight"]))

    def step(self) -> dict[str, Tensor]:
        """Make one update; returns losses that are still on the device."""
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
        self.update(self.optimizer, loss, config.lr, config.clip_norm)
        self.advance()
        return {"reconstruction": reconstruction.detach(), "loss": loss.detach()}

    def batch(self) -> tuple[Tensor, Tensor]:
        """Return crops (B, 9, S, S), all turned alike, and the channels that count (B, 9, 1, 1)."""
        chosen = torch.randint(
            len(self.rows), (self.config.batch,), device=self.device, generator=self.random
        )
        rows = self.rows[chosen]
        crops = self.pictures.crops(
            rows,
            self.pictures.corners(rows, self.config.crop_px, 1, self.random),
            self.config.crop_px,
        )
        code = (self.position * 5) % 8
        known = self.pictures.known[rows, :, None, None]
        if code & 4:
            known = known[:, [0, 1, 2, 4, 3, 5, 6, 7, 8]]
        maps = turn(crops * self.pictures.known[rows, :, None, None], code)
        return maps.contiguous(memory_format=torch.channels_last), known
