# SPDX-License-Identifier: Apache-2.0
"""Settings of a run of codec training."""

from __future__ import annotations

from dataclasses import dataclass, field

from texgen_server.networks.codec import CodecParams


@dataclass(frozen=True)
class CodecConfig:
    """Settings of both phases. Times are wall-clock minutes, which the schedules follow, so that a
    run ends in time on a machine that is available for a limited time.
    """

    codec_minutes: float = 60.0
    """Minutes of the first phase: encoder, quantiser, decoder; reconstruction and rate."""
    joins_minutes: float = 30.0
    """Minutes of the second phase: decoder and discriminator on re-laid latents, encoder frozen."""
    batch: int = 8
    crop_px: int = 128
    margin_px: int = 16
    """Border of a crop that is not judged, as it lacks its surroundings."""
    lr: float = 6e-4
    """Learning rate of the first phase."""
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    """Largest norm of all gradients of the codec together."""
    bits: float = 74.0
    """Counted bits a cell that the rate control aims at, mean over validation exemplars."""
    joins_lr: float = 2e-4
    """Learning rate of the decoder in the second phase; the discriminator's is twice as high."""
    joins_betas: tuple[float, float] = (0.0, 0.99)
    adversarial: float = 0.035
    """Weight of the adversarial loss beside the reconstruction where the right pixels are known."""
    gradient_penalty: float = 0.03
    penalty_every: int = 8
    """Steps between gradient penalties."""
    critic_width: int = 48
    """Channels of the discriminator."""
    ema_decay: float = 0.999
    """Share of the averaged weights that is kept each step of the first phase."""
    joins_ema_decay: float = 0.998
    seed: int = 0
    params: CodecParams = field(default_factory=CodecParams)

    def __post_init__(self) -> None:
        assert self.crop_px % 8 == 0
        assert 2 * self.margin_px < self.crop_px
