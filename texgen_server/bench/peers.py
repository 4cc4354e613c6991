# SPDX-License-Identifier: Apache-2.0
"""What others would have to compute: networks of the size of StyleGAN2's configuration F and of Stable Diffusion 1.5, with random weights."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

STYLEGAN2_CHANNELS = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32}
"""Source: Karras et al. 2020, configuration F at 1024 px."""
DIFFUSION_STEPS = 20


class StyleGan2Sized(nn.Module):
    """The convolutions of a StyleGAN2 generator, without modulation and noise, which cost little: a lower bound of its time."""

    def __init__(self, size_px: int) -> None:
        super().__init__()
        edges = [e for e in STYLEGAN2_CHANNELS if e <= size_px]
        pairs = [(STYLEGAN2_CHANNELS[max(4, e // 2)], STYLEGAN2_CHANNELS[e]) for e in edges]
        self.first = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)
        self.second = nn.ModuleList(nn.Conv2d(b, b, 3, padding=1) for _, b in pairs)
        self.color = nn.ModuleList(nn.Conv2d(b, 3, 1) for _, b in pairs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 512, 4, 4) -> (B, 3, size, size)."""
        out: Tensor = self.color[0](x)
        for i, (first, second, color) in enumerate(zip(self.first, self.second, self.color, strict=True)):
            if i:
                x, out = (F.interpolate(t, scale_factor=2.0, mode="bilinear", align_corners=False) for t in (x, out))
            x = F.leaky_relu(second(F.leaky_relu(first(x), 0.2)), 0.2)
            out = out + color(x)
        return out


def diffusion_sized(dtype: torch.dtype) -> tuple[Any, Any] | None:
    """A UNet step and a VAE decoding of Stable Diffusion 1.5's size for 512 px, as callables; None without the extra ``bench``."""
    if importlib.util.find_spec("diffusers") is None:
        return None
    from diffusers import AutoencoderKL, UNet2DConditionModel

    unet: Any = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8, sample_size=64)
    unet = unet.to(dtype).eval()
    kinds = ["DownEncoderBlock2D"] * 4, ["UpDecoderBlock2D"] * 4
    vae: Any = AutoencoderKL(
        down_block_types=kinds[0], up_block_types=kinds[1], block_out_channels=[128, 256, 512, 512], layers_per_block=2
    )
    vae = vae.to(dtype).eval()
    latent, text = torch.randn(2, 4, 64, 64, dtype=dtype), torch.randn(2, 77, 768, dtype=dtype)  # two: with and without the prompt

    def step() -> Tensor:
        with torch.inference_mode():
            out: Tensor = unet(latent, 500, text).sample
        return out

    def decode() -> Tensor:
        with torch.inference_mode():
            out: Tensor = vae.decode(latent[:1]).sample
        return out

    return step, decode
