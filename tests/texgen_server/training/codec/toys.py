# SPDX-License-Identifier: Apache-2.0
"""Tiny pictures to train a codec on."""

from __future__ import annotations

import numpy as np

from texgen_server.networks.codec import MAPS, CodecParams
from texgen_server.training.codec.pixels import Picture
from texgen_server.training.codec.settings import CodecConfig

PARAMS = CodecParams(
    latents=6,
    encoder_width=16,
    encoder_blocks=1,
    widths=(16, 8, 8),
    blocks=(1, 1, 1),
    noise_channels=2,
)
CONFIG = CodecConfig(
    codec_minutes=100.0,
    joins_minutes=100.0,
    batch=4,
    crop_px=48,
    margin_px=8,
    lr=1e-2,
    critic_width=8,
    bits=12.0,
    params=PARAMS,
)


def noisy_pictures(count: int, size: int = 64) -> list[Picture]:
    """Patches with sharp borders, the same in all channels, with a little grain; metallic
    constant.
    """
    found = []
    for i in range(count):
        rng = np.random.default_rng(i)
        spectrum = np.fft.fft2(rng.standard_normal((size, size)))
        frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
        smooth = np.real(np.fft.ifft2(spectrum * np.exp(-((frequency / 0.06) ** 2))))
        patches = np.sign(smooth)
        planes = [
            patches * rng.uniform(0.3, 0.6) + 0.05 * rng.standard_normal((size, size))
            for _ in range(MAPS)
        ]
        pixels = np.stack(planes, -1) * 127.5 + 127.5
        pixels[..., 6] = 0.0
        known = np.ones(MAPS, np.float32)
        known[6] = 0.0
        found.append(
            Picture(
                f"Toy{i}",
                "small",
                np.clip(np.round(pixels), 0, 255).astype(np.uint8),
                known,
                wraps=True,
            )
        )
    return found


def rolled_map(size: int) -> np.ndarray:
    """Two halves from elsewhere: joins in the middle and at the edge."""
    identity = np.stack(np.mgrid[0:size, 0:size], -1)
    identity[:, size // 2 :] = np.roll(identity, 3, 0)[:, size // 2 :]
    return identity
