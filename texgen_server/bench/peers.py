# SPDX-License-Identifier: Apache-2.0
"""Peers to compare with: networks of the size of StyleGAN2's configuration F, of Stable Diffusion
1.5 and of Real-ESRGAN, with random weights.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

STYLEGAN2_CHANNELS = {
    4: 512,
    8: 512,
    16: 512,
    32: 512,
    64: 512,
    128: 256,
    256: 128,
    512: 64,
    1024: 32,
}
"""Edge in px -> channels (Karras et al. 2020, configuration F at 1024 px)."""
DIFFUSION_STEPS = 20


class StyleGan2Sized(nn.Module):
    """The convolutions of a StyleGAN2 generator, without modulation and noise, which take little
    time: a lower bound of its time.
    """

    def __init__(self, size_px: int) -> None:
        super().__init__()
        edges = [e for e in STYLEGAN2_CHANNELS if e <= size_px]
        pairs = [(STYLEGAN2_CHANNELS[max(4, e // 2)], STYLEGAN2_CHANNELS[e]) for e in edges]
        self.first = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)
        self.second = nn.ModuleList(nn.Conv2d(b, b, 3, padding=1) for _, b in pairs)
        self.color = nn.ModuleList(nn.Conv2d(b, 3, 1) for _, b in pairs)

    def forward(self, x: Tensor) -> Tensor:
        """Return pictures (B, 3, size, size) of inputs (B, 512, 4, 4)."""
        out: Tensor = self.color[0](x)
        for i, (first, second, color) in enumerate(
            zip(self.first, self.second, self.color, strict=True)
        ):
            if i:
                x, out = (
                    F.interpolate(t, scale_factor=2.0, mode="bilinear", align_corners=False)
                    for t in (x, out)
                )
            x = F.leaky_relu(second(F.leaky_relu(first(x), 0.2)), 0.2)
            out = out + color(x)
        return out


class _Dense(nn.Module):
    """Five convolutions, each of which sees the outputs of all before it."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(width + i * growth, growth if i < 4 else width, 3, padding=1)
            for i in range(5)
        )

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for conv in self.convs:
            seen.append(F.leaky_relu(conv(torch.cat(seen, 1)), 0.2))
        return x + 0.2 * seen[-1]


class RrdbSized(nn.Module):
    """Real-ESRGAN x4plus's generator: 23 residual-in-residual dense blocks of 64 channels.

    Source: Wang et al. 2018 and 2021.
    """

    def __init__(self, blocks: int = 23, width: int = 64, growth: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.dense = nn.Sequential(*(_Dense(width, growth) for _ in range(3 * blocks)))
        self.rest = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(4))
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return pictures (B, 3, 4 h, 4 w) of pictures (B, 3, h, w)."""
        x = self.first(x)
        x = x + self.rest[0](self.dense(x))
        for conv in (self.rest[1], self.rest[2]):
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2.0, mode="nearest")), 0.2)
        out: Tensor = self.last(F.leaky_relu(self.rest[3](x), 0.2))
        return out


def diffusion_sized(dtype: torch.dtype) -> tuple[Any, Any] | None:
    """Return a UNet step and a VAE decoding of Stable Diffusion 1.5's size for 512 px, as
    callables; None without the extra ``bench``.
    """
    if importlib.util.find_spec("diffusers") is None:
        return None
    from diffusers import AutoencoderKL, UNet2DConditionModel

    unet: Any = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8, sample_size=64)
    unet = unet.to(dtype).eval()
    kinds = ["DownEncoderBlock2D"] * 4, ["UpDecoderBlock2D"] * 4
    vae: Any = AutoencoderKL(
        down_block_types=kinds[0],
        up_block_types=kinds[1],
        block_out_channels=[128, 256, 512, 512],
        layers_per_block=2,
    )
    vae = vae.to(dtype).eval()
    # two of each: with and without the prompt
    latent = torch.randn(2, 4, 64, 64, dtype=dtype)
    text = torch.randn(2, 77, 768, dtype=dtype)

    def step() -> Tensor:
        with torch.inference_mode():
            out: Tensor = unet(latent, 500, text).sample
        return out

    def decode() -> Tensor:
        with torch.inference_mode():
            out: Tensor = vae.decode(latent[:1]).sample
        return out

    return step, decode
