# SPDX-License-Identifier: Apache-2.0
"""Networks cut into the parts of `params.PARTS`, as torch modules.

`graphs` builds the same parts for OpenVINO.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from texgen_server.networks.channels import CLEAN_SCALE, SCALES
from texgen_server.networks.environment import EnvironmentGenerator
from texgen_server.networks.estimator import Estimator
from texgen_server.networks.layers import ModuleT
from texgen_server.networks.material import MaterialGenerator, guided_coarse
from texgen_server.networks.params import (
    COMPOSE_REACH_PX,
    DETAIL_REACH_PX,
    EnvironmentParams,
    EstimatorParams,
    MaterialParams,
    NetworkParams,
    UpscalerParams,
    Weights,
    misfit,
)
from texgen_server.networks.upscaler import Upscaler, compose32, detail32


def build_parts(params: NetworkParams, weights: Weights) -> dict[str, nn.Module]:
    """Build the parts of a network. Raises LoadError when the weights do not fit."""
    match params:
        case MaterialParams():
            return _material_parts(params, weights)
        case UpscalerParams():
            return _upscaler_parts(params, weights)
        case EstimatorParams():
            return {"estimate": build_estimator(params, weights)}
        case EnvironmentParams():
            return _environment_parts(params, weights)


def build_generator(params: MaterialParams, weights: Weights) -> MaterialGenerator:
    """Build the generator with its weights, in evaluation mode.

    Weights from before there were guides leave those at zero. Raises LoadError when others are
    missing, or are of another shape.
    """
    generator = MaterialGenerator(params)
    unguided = {
        k: v.numpy() for k, v in generator.state_dict().items() if k.endswith(".guide.weight")
    }
    return _filled(generator, unguided | weights)


def build_upscaler(params: UpscalerParams, weights: Weights) -> Upscaler:
    """Build the upscaler with its weights, in evaluation mode.

    Raises LoadError.
    """
    return _filled(Upscaler(params), weights)


def build_estimator(params: EstimatorParams, weights: Weights) -> Estimator:
    """Build the estimator with its weights, in evaluation mode.

    Raises LoadError.
    """
    return _filled(Estimator(params), weights)


def build_environment(params: EnvironmentParams, weights: Weights) -> EnvironmentGenerator:
    """Build the environment generator with its weights, in evaluation mode. Raises LoadError."""
    return _filled(EnvironmentGenerator(params), weights)


def _filled(network: ModuleT, weights: Weights) -> ModuleT:
    try:
        network.load_state_dict(
            {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in weights.items()}
        )
    except RuntimeError as error:
        raise misfit(error) from error
    return network.eval().requires_grad_(requires_grad=False)


class MappingPart(nn.Module):
    """The mapping: (code, log2 density) -> (style, relief in tiles)."""

    def __init__(self, generator: MaterialGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, code: Tensor, log2_density: Tensor) -> tuple[Tensor, Tensor]:
        style = self.generator.mapping(code, log2_density)
        return style, self.generator.relief_tiles(style)


class TrunkPart(nn.Module):
    """The trunk: (style (B, levels, D), start, guide, layouts..., noises...) -> (finest features,
    coarse maps).
    """

    def __init__(self, generator: MaterialGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(
        self, style: Tensor, start: Tensor, guide: Tensor, *fields: Tensor
    ) -> tuple[Tensor, Tensor]:
        n = self.generator.params.levels
        return self.generator.trunk(style, start, list(fields[:n]), list(fields[n:]), guide)


class PaintedTrunkPart(TrunkPart):
    """The trunk under a mask: (style (B, K, D), start, guide, layouts..., noises..., shares...) ->
    (finest features, coarse maps).
    """

    def forward(
        self, style: Tensor, start: Tensor, guide: Tensor, *fields: Tensor
    ) -> tuple[Tensor, Tensor]:
        n = self.generator.params.levels
        return self.generator.trunk(
            style, start, list(fields[:n]), list(fields[n : 2 * n]), guide, list(fields[2 * n :])
        )


class HeadPart(nn.Module):
    """The head: (finest features, coarse maps) -> maps."""

    def __init__(self, generator: MaterialGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, features: Tensor, coarse: Tensor) -> Tensor:
        return self.generator.head32(features, coarse)


class GuidedHeadPart(HeadPart):
    """The guided head: (finest features, guide) -> maps."""

    def forward(self, features: Tensor, guide: Tensor) -> Tensor:
        return self.generator.head32(features, guided_coarse(guide))


class DetailPart(nn.Module):
    """The first step: (maps with a border of ``halo_px``) -> their detail in units of their
    contrast, less the border that it depends on; the contrast, inside.
    """

    def __init__(self, params: UpscalerParams) -> None:
        super().__init__()
        self.cut = params.halo_px - COMPOSE_REACH_PX

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        detail, contrast = detail32(maps)
        return _inside(detail, DETAIL_REACH_PX), _inside(contrast, self.cut)


class ResidualPart(nn.Module):
    """The body and a head: (detail) -> the difference from a bicubic enlargement, before
    pixel-shuffle; its mean over the pixels that one becomes: both less the border.
    """

    def __init__(self, upscaler: Upscaler, scale: int) -> None:
        super().__init__()
        self.upscaler, self.scale = upscaler, scale

    def forward(self, detail: Tensor) -> tuple[Tensor, Tensor]:
        features = self.upscaler.features(detail)
        return self.upscaler.found(
            _inside(features, self.upscaler.params.body_reach_px), self.scale, padding=0
        )


class ComposePart(nn.Module):
    """The last step: (maps with a border of ``halo_px``, contrast, residual, its mean) -> enlarged
    maps with a border of `COMPOSE_REACH_PX` times the scale.
    """

    def __init__(self, params: UpscalerParams, scale: int) -> None:
        super().__init__()
        self.cut, self.scale = params.halo_px - COMPOSE_REACH_PX, scale

    def forward(self, maps: Tensor, contrast: Tensor, residual: Tensor, mean: Tensor) -> Tensor:
        return compose32(_inside(maps, self.cut), contrast, residual, mean, self.scale)


def _inside(maps: Tensor, cut: int) -> Tensor:
    """Cut px off each side: pixels that the next step does not depend on need not be computed."""
    return maps[..., cut:-cut, cut:-cut]


class EnvironmentTrunkPart(nn.Module):
    """The trunk of environments: (codes, start, conditions..., noises...) -> finest features."""

    def __init__(self, generator: EnvironmentGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, codes: Tensor, start: Tensor, *fields: Tensor) -> Tensor:
        n = self.generator.params.levels
        return self.generator.trunk(codes, start, list(fields[:n]), list(fields[n:]))


class EnvironmentHeadPart(nn.Module):
    """The head of environments: (finest features, finest condition) -> panorama."""

    def __init__(self, generator: EnvironmentGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        return self.generator.head32(features, condition)


def _material_parts(params: MaterialParams, weights: Weights) -> dict[str, nn.Module]:
    generator = build_generator(params, weights)
    return {
        "mapping": MappingPart(generator),
        "trunk": TrunkPart(generator),
        "painted_trunk": PaintedTrunkPart(generator),
        "head": HeadPart(generator),
        "guided_head": GuidedHeadPart(generator),
    }


def _upscaler_parts(params: UpscalerParams, weights: Weights) -> dict[str, nn.Module]:
    upscaler = build_upscaler(params, weights)
    parts: dict[str, nn.Module] = {"detail": DetailPart(upscaler.params)}
    for scale in (CLEAN_SCALE, *SCALES):
        parts[f"residual_x{scale}"] = ResidualPart(upscaler, scale)
        parts[f"compose_x{scale}"] = ComposePart(upscaler.params, scale)
    return parts


def _environment_parts(params: EnvironmentParams, weights: Weights) -> dict[str, nn.Module]:
    generator = build_environment(params, weights)
    return {"trunk": EnvironmentTrunkPart(generator), "head": EnvironmentHeadPart(generator)}
