# SPDX-License-Identifier: Apache-2.0
"""The material generator: a periodic, stationary, style-modulated convolutional GAN.

Everything spatial commutes with a roll of the torus, so the size of a result is the shape of its
noise. One *cell* is 32 x 32 px. The *regular* part of a material (brick courses, planks, tiles)
comes in as ``layout``: a few periodic waves whose integer wave vectors and phases were measured in
the training material; the irregular part comes from noise.

A large form would need a large receptive field. So a material is made in two passes: one at 256 px
per tile, where a receptive field of nine cells spans the whole tile, and above that density a
second pass of the same network, *guided* by the first one's maps.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.channels import GUIDE_CHANNELS, OUTPUT_CHANNELS
from texgen_server.networks.layers import (
    CircularConv,
    StyleModulation,
    circular_pad,
    upsample,
    without_grid,
)
from texgen_server.networks.params import GRID_PX, MaterialParams
from texgen_server.networks.waves import LAYOUT_CHANNELS
from texgen_server.precision.autocast import exact


class Mapping(nn.Module):
    """Code of a material (B, code_dim) and log2 texel density (B, 1) -> style w (B, style_dim)."""

    def __init__(self, params: MaterialParams) -> None:
        super().__init__()
        dim = params.style_dim
        self.layers = nn.Sequential(
            nn.Linear(params.code_dim + 1, dim),
            nn.LeakyReLU(0.2),
            nn.Linear(dim, dim),
            nn.LeakyReLU(0.2),
            nn.Linear(dim, dim),
        )

    def forward(self, code: Tensor, log2_density: Tensor) -> Tensor:
        """Compute the style; ``log2_density`` is log2(px per tile) - 8, so that 256 px per tile is
        0.
        """
        out: Tensor = self.layers(torch.cat([code, log2_density], 1))
        return out


class Block(nn.Module):
    """Two modulated convolutions at one resolution, with layout and noise added, and a residual
    skip.
    """

    def __init__(self, channels_in: int, channels_out: int, style_dim: int, *, grow: bool) -> None:
        super().__init__()
        self.grow = grow
        self.conv1 = CircularConv(channels_in, channels_out)
        self.conv2 = CircularConv(channels_out, channels_out)
        self.style1 = StyleModulation(channels_out, style_dim)
        self.style2 = StyleModulation(channels_out, style_dim)
        self.layout = nn.Conv2d(LAYOUT_CHANNELS, channels_out, 1, bias=False)
        self.guide = nn.Conv2d(GUIDE_CHANNELS, channels_out, 1, bias=False)
        self.noise_gain = nn.Parameter(torch.zeros(channels_out))
        self.skip = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        nn.init.normal_(self.layout.weight, 0.0, 0.3)
        nn.init.zeros_(self.guide.weight)

    def forward(
        self,
        x: Tensor,
        style: Tensor,
        layout: Tensor,
        noise: Tensor,
        guide: Tensor | None = None,
        share: Tensor | None = None,
    ) -> Tensor:
        if self.grow:
            x = upsample(x)
        y = self.conv1(x) + self.layout(layout)
        y = self.style1(y if guide is None else y + self.guide(guide), style, share)
        y = F.leaky_relu(y + noise * self.noise_gain[:, None, None], 0.2)
        y = F.leaky_relu(self.style2(self.conv2(y), style, share), 0.2)
        out: Tensor = (y + self.skip(x)) * 0.7071
        return out


class MaterialGenerator(nn.Module):
    """Style, noise and layout -> all maps but the normal, which is derived from height
    (`normal_from_height`).
    """

    def __init__(self, params: MaterialParams) -> None:
        super().__init__()
        self.params = params
        widths, dim = params.widths, params.style_dim
        self.mapping = Mapping(params)
        self.stem = CircularConv(params.noise_channels, widths[0], gain=1.0)
        pairs = zip((widths[0], *widths[:-1]), widths, strict=True)
        self.blocks = nn.ModuleList(Block(a, b, dim, grow=i > 0) for i, (a, b) in enumerate(pairs))
        self.coarse_head = nn.Conv2d(widths[-2], OUTPUT_CHANNELS, 1)
        self.head = CircularConv(widths[-1], OUTPUT_CHANNELS * 4, gain=0.5)
        self.relief = nn.Linear(dim, 1)

    def forward(
        self,
        style: Tensor,
        start: Tensor,
        layouts: list[Tensor],
        noises: list[Tensor],
        guide: Tensor | None = None,
        shares: list[Tensor] | None = None,
    ) -> Tensor:
        """Synthesise maps on an h x w torus of cells.

        ``style`` (B, style_dim), or (B, levels, style_dim) one a level; ``start`` (B,
        noise_channels, h, w) ~ N(0, 1); for each level i ``layouts[i]`` (B, 5, h 2^i, w 2^i) and
        ``noises[i]`` (B, 1, h 2^i, w 2^i) ~ N(0, 1). ``guide`` (B, 8, 16 h, 16 w) as in
        ``GUIDE_CHANNELS``: the result keeps its forms and adds what is finer. With ``shares[i]``
        (B, K, h 2^i, w 2^i) the style is (B, K, style_dim) and every pixel mixes K of them. Returns
        (B, 7, 32 h, 32 w) float32 in (0, 1), channels as in ``OUTPUT_CHANNELS``.
        """
        features, coarse = self.trunk(style, start, layouts, noises, guide, shares)
        return self.head32(features, coarse if guide is None else guided_coarse(guide))

    def trunk(
        self,
        style: Tensor,
        start: Tensor,
        layouts: list[Tensor],
        noises: list[Tensor],
        guide: Tensor | None = None,
        shares: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Run all but the head: -> features (B, C, 16 h, 16 w) and coarse maps (B, 7, 8 h, 8 w)
        before the sigmoid.
        """
        x = self.stem(start)
        coarse = x
        last = len(self.blocks) - 1
        for i, block in enumerate(self.blocks):
            level_style = style[:, i] if shares is None and style.dim() == 3 else style
            level_guide = (
                guide if guide is None or i == last else F.avg_pool2d(guide, 2 ** (last - i))
            )
            x = block(
                x,
                level_style,
                layouts[i],
                noises[i],
                level_guide,
                None if shares is None else shares[i],
            )
            if i == last - 1:
                coarse = self.coarse_head(x)
        return x, coarse

    def head32(self, x: Tensor, coarse: Tensor) -> Tensor:
        """Run the last convolution in float32: bfloat16's 8 mantissa bits would terrace a 16-bit
        height.

        ``coarse`` may have a quarter or a half of the resolution of the result.
        """
        with exact(x.device):
            conv = self.head.conv
            fine = F.conv2d(
                circular_pad(x.float(), 1),
                conv.weight.float(),
                None if conv.bias is None else conv.bias.float(),
            )
            scale = 2 * int(x.shape[-1]) // int(coarse.shape[-1])
            return torch.sigmoid(
                F.pixel_shuffle(without_grid(fine, circular_pad(fine, GRID_PX // 2)), 2)
                + upsample(coarse.float(), scale)
            )

    def relief_tiles(self, style: Tensor) -> Tensor:
        """Predict the height range of the material, black to white, as a fraction of the tile's
        edge: (B, style_dim) -> (B,).
        """
        out: Tensor = torch.exp(self.relief(style.float())[:, 0].clamp(-9.0, 1.0) - 3.0)
        return out


def guided_coarse(guide: Tensor) -> Tensor:
    """Turn a guide (B, 8, h, w) into coarse maps for the head: (B, 7, h, w) before the sigmoid, in
    float32.
    """
    unit = (guide[:, :OUTPUT_CHANNELS].float() * 0.25 + 0.5).clamp(1.0 / 512.0, 511.0 / 512.0)
    return torch.log(unit) - torch.log(1.0 - unit)  # `torch.logit` has no counterpart in `graphs`


def normal_from_height(height: Tensor, scale_px: Tensor) -> Tensor:
    """Derive tangent-space normals, OpenGL (+Y up), by central differences on the torus.

    ``height`` (B, 1, H, W) in [0, 1]; ``scale_px`` (B,) is the height range in pixels (relief in
    tiles x px per tile). Returns (B, 3, H, W) unit vectors in [-1, 1].
    """
    scale = scale_px.view(-1, 1, 1, 1) * 0.5
    slope_x = (torch.roll(height, -1, 3) - torch.roll(height, 1, 3)) * scale
    slope_down = (torch.roll(height, -1, 2) - torch.roll(height, 1, 2)) * scale
    normal = torch.cat([-slope_x, slope_down, torch.ones_like(height)], 1)
    return normal * torch.rsqrt((normal * normal).sum(1, keepdim=True))
