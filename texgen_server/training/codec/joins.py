# SPDX-License-Identifier: Apache-2.0
"""The second phase: the decoder learns grain and joins from a discriminator, on latents that real
index maps have re-laid.

Inside a coherent patch the right pixels are known, so reconstruction counts there; at joins only
the discriminator acts. The encoder is frozen.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from texgen_server.networks.codec import CHANNEL_WEIGHTS, Codec, draw_noise
from texgen_server.networks.layers import channels_last
from texgen_server.precision.autocast import exact, quick
from texgen_server.training.codec.critic import Critic, critic_loss, decoder_loss, squared_gradient
from texgen_server.training.codec.pixels import PictureSet, turn
from texgen_server.training.codec.relaid import JoinsBatch, JoinsSampler, RelaidLatents
from texgen_server.training.codec.schedule import late_decay
from texgen_server.training.codec.settings import CodecConfig
from texgen_server.training.codec.trainer import CodecTrainer, charbonnier
from texgen_server.training.trainer import averaged, frozen

ALONE_SHARE, RAMP_SHARE = 0.05, 0.15
"""Shares of the phase: the discriminator learns before it counts for the decoder; then its weight
grows to the full one.
"""
CRITIC_RATE = 2.0
"""Learning rate of the discriminator over that of the decoder."""


class JoinsTrainer(CodecTrainer):
    """Decoder, averaged decoder, discriminator and their optimisers."""

    def __init__(
        self,
        codec: Codec,
        pictures: PictureSet,
        rows: list[int],
        relaid: RelaidLatents,
        config: CodecConfig,
    ) -> None:
        super().__init__(pictures, config, config.joins_minutes)
        self.sampler = JoinsSampler(pictures, rows, relaid, self.random)
        self.params = codec.params
        self.decoder = channels_last(codec.decoder.to(self.device)).requires_grad_()
        self.average = averaged(self.decoder)
        critic = Critic(config.critic_width, 2 * codec.params.latents)
        self.critic = channels_last(critic.to(self.device))
        self.optimizer = torch.optim.AdamW(
            self.decoder.parameters(), config.joins_lr, betas=config.joins_betas, fused=True
        )
        self.critic_optimizer = torch.optim.AdamW(
            self.critic.parameters(),
            CRITIC_RATE * config.joins_lr,
            betas=config.joins_betas,
            fused=True,
        )
        self.weights = torch.tensor(CHANNEL_WEIGHTS, device=self.device).view(1, -1, 1, 1)
        self.networks = {
            "decoder": self.decoder,
            "average": self.average,
            "critic": self.critic,
        }
        self.optimizers = {
            "optimizer": self.optimizer,
            "critic_optimizer": self.critic_optimizer,
        }
        self.averages = [(self.average, self.decoder)]

    def stream_seed(self) -> int:
        """Return the seed of the random stream: another one than that of the first phase."""
        return super().stream_seed() + 1

    def rate_factor(self) -> float:
        """Return the learning-rate factor at this time."""
        return late_decay(self.clock.share, self.position)

    def ema_decay(self, count: int) -> float:
        """Return the share of the averaged weights that is kept."""
        return min(super().ema_decay(count), self.config.joins_ema_decay)

    def step(self) -> dict[str, Tensor]:
        """Update the discriminator, then the decoder; returns losses that are still on the
        device.
        """
        batch = self.batch()
        made = self._decoded(batch)
        code = self.position % 8
        judged_real, judged_made = (
            turn(self._judged(m, batch.known), code) for m in (batch.real, made)
        )
        critic = self._critic_step(judged_real, judged_made.detach(), batch.condition)
        weight = self.adversarial_weight
        error = charbonnier((made - batch.target) * batch.known * self.weights) * batch.coherent
        reconstruction = error[..., self._inside, self._inside].mean()
        adversarial = reconstruction.new_zeros(())
        if weight > 0:
            adversarial = self._adversarial_loss(judged_real, judged_made, batch.condition)
        loss = reconstruction + weight * adversarial
        self.update(self.optimizer, loss, self.config.joins_lr, self.config.clip_norm)
        self.advance()
        return {
            "critic": critic,
            "reconstruction": reconstruction.detach(),
            "painter": adversarial.detach(),
        }

    @property
    def adversarial_weight(self) -> float:
        """Weight of the discriminator for the decoder at this time."""
        share = np.clip((self.clock.share - ALONE_SHARE) / RAMP_SHARE, 0.0, 1.0)
        return self.config.adversarial * float(share)

    @property
    def _inside(self) -> slice:
        """Rows, or columns, of a crop that are judged."""
        return slice(self.config.margin_px, -self.config.margin_px)

    def batch(self) -> JoinsBatch:
        """Return crops and latents of a step."""
        return self.sampler.batch(self.config.batch, self.config.crop_px)

    def _decoded(self, batch: JoinsBatch) -> Tensor:
        count, cells = len(batch.latents), batch.latents.shape[-1]
        noise = draw_noise(self.params, (count, cells, cells), self.device, self.random)
        with quick(self.device):
            made: Tensor = self.decoder(batch.latents, noise, "zeros")
        return made.float()

    def _judged(self, maps: Tensor, known: Tensor) -> Tensor:
        return (maps * known)[..., self._inside, self._inside]

    def _adversarial_loss(self, real: Tensor, made: Tensor, condition: Tensor) -> Tensor:
        with frozen(self.critic), quick(self.device):
            fake_scores = self.critic(made, condition).float()
            with torch.no_grad():
                real_scores = self.critic(real, condition).float()
        return decoder_loss(real_scores, fake_scores)

    def _critic_step(self, real: Tensor, made: Tensor, condition: Tensor) -> Tensor:
        """Update the discriminator; returns its loss without the penalty."""
        penalised = self.position % self.config.penalty_every == 0
        if penalised:
            real, made = real.detach().requires_grad_(), made.detach().requires_grad_()
        with exact(self.device) if penalised else quick(self.device):
            scores = self.critic(real, condition).float(), self.critic(made, condition).float()
        loss = critic_loss(*scores)
        total = loss
        if penalised:
            penalty = squared_gradient(scores[0], real) + squared_gradient(scores[1], made)
            total = loss + self.config.penalty_every * self.config.gradient_penalty / 2 * penalty
        self.update(self.critic_optimizer, total, CRITIC_RATE * self.config.joins_lr)
        return loss.detach()
