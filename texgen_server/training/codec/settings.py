# SPDX-License-Identifier: Apache-2.0
"""What shapes a run of codec training."""

from __future__ import annotations

from dataclasses import dataclass, field

from texgen_server.networks.codec import CodecParams


@dataclass(frozen=True)
class CodecConfig:
    """Both phases. Times are wall-clock minutes: the schedules follow them, so that a run ends when
    a lent machine must go back.
    """

    codec_minutes: float = 60.0
    """Of the first phase: encoder, quantiser, decoder; reconstruction and rate."""
    joins_minutes: float = 30.0
    """Of the second: decoder and discriminator on re-laid latents, encoder frozen."""
    batch: int = 8
    crop_px: int = 128
    margin_px: int = 16
    """Of a crop, on each side: not judged, as it lacks its surroundings."""
    lr: float = 6e-4
    bits: float = 74.0
    """Counted bits a cell that the rate control aims at, mean over validation exemplars."""
    joins_lr: float = 2e-4
    adversarial: float = 0.035
    """Weight of the adversarial loss beside the reconstruction where the right pixels are known."""
    gradient_penalty: float = 0.03
    penalty_every: int = 8
    critic_width: int = 48
    ema: float = 0.999
    seed: int = 0
    params: CodecParams = field(default_factory=CodecParams)

    def __post_init__(self) -> None:
        assert self.crop_px % 8 == 0
        assert 2 * self.margin_px < self.crop_px
