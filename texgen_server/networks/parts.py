# SPDX-License-Identifier: Apache-2.0
"""Networks cut into the parts that a backend compiles: what must stay float32 apart from what need not. A table says how, kind by kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from texgen.errors import LoadError
from texgen_server.channels import CLEAN_SCALE, ESTIMATE_MULTIPLE_PX, GUIDE_CHANNELS, OUTPUT_CHANNELS, SCALES
from texgen_server.networks.environment import PLAN_CHANNELS, STYLES, EnvironmentGenerator, EnvironmentParams
from texgen_server.networks.estimator import SEEN, Estimator, EstimatorParams
from texgen_server.networks.layers import ModuleT
from texgen_server.networks.material import MaterialGenerator, MaterialParams, guided_coarse
from texgen_server.networks.upscaler import (
    CHANNELS,
    COMPOSE_REACH_PX,
    CONTRAST_PX,
    DETAIL_REACH_PX,
    Upscaler,
    UpscalerParams,
    compose32,
    detail32,
)

Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Part:
    """One graph of a network."""

    module: nn.Module
    example: tuple[Tensor, ...]
    """Inputs that it can be traced with."""
    free: tuple[tuple[int, ...], ...]
    """The axes of each input whose length is open."""
    exact: bool
    """Runs in float32 whatever the precision of the rest."""
    rare: bool = False
    """Compiled when first asked for."""


def build_parts(kind: str, network: dict[str, object], weights: Weights) -> dict[str, Part]:
    """The parts of a model of a kind. Raises LoadError when the weights do not fit."""
    return BUILDERS[kind](network, weights)


def build_generator(network: dict[str, object], weights: Weights) -> MaterialGenerator:
    """The generator of a model's ``[network]`` table with its weights, in evaluation mode.

    Weights from before there were guides leave those at zero. Raises LoadError when others are missing, or are of another shape.
    """
    generator = MaterialGenerator(params_from(network))
    unguided = {k: v.numpy() for k, v in generator.state_dict().items() if k.endswith(".guide.weight")}
    return _filled(generator, unguided | weights)


def build_upscaler(network: dict[str, object], weights: Weights) -> Upscaler:
    """The upscaler of a model's ``[network]`` table with its weights, in evaluation mode. Raises LoadError."""
    if network.get("contrast_px") != CONTRAST_PX:
        raise LoadError("this upscaler was made for an earlier version of the network, without contrasts; take the model of this version")
    return _filled(Upscaler(UpscalerParams(int(str(network["width"])), int(str(network["depth"])))), weights)


def build_estimator(network: dict[str, object], weights: Weights) -> Estimator:
    """The estimator of a model's ``[network]`` table with its weights, in evaluation mode. Raises LoadError."""
    return _filled(Estimator(EstimatorParams(int(str(network["classes"])), tuple(network["widths"]))), weights)  # type: ignore[arg-type]


def build_environment(network: dict[str, object], weights: Weights) -> EnvironmentGenerator:
    """The generator of an environment model's ``[network]`` table with its weights, in evaluation mode. Raises LoadError."""
    code_dim, style_dim, noise_channels, rows = (
        int(str(network[key])) for key in ("code_dim", "style_dim", "noise_channels", "layout_rows")
    )
    params = EnvironmentParams(code_dim, style_dim, noise_channels, tuple(network["widths"]), rows)  # type: ignore[arg-type]
    return _filled(EnvironmentGenerator(params), weights)


def _filled(network: ModuleT, weights: Weights) -> ModuleT:
    try:
        network.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in weights.items()})
    except RuntimeError as error:
        raise LoadError(f"the weights do not fit the network that model.toml describes; export the model anew ({error})") from error
    return network.eval().requires_grad_(requires_grad=False)


def params_from(network: dict[str, object]) -> MaterialParams:
    """``[network]`` of a material model's ``model.toml`` -> parameters."""
    return MaterialParams(
        code_dim=int(str(network["code_dim"])),
        style_dim=int(str(network["style_dim"])),
        noise_channels=int(str(network["noise_channels"])),
        widths=tuple(network["widths"]),  # type: ignore[arg-type]
    )


class MappingPart(nn.Module):
    """(code, log2 density) -> (style, relief in tiles)."""

    def __init__(self, generator: MaterialGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, code: Tensor, log2_density: Tensor) -> tuple[Tensor, Tensor]:
        style = self.generator.mapping(code, log2_density)
        return style, self.generator.relief_tiles(style)


class TrunkPart(nn.Module):
    """(style (B, levels, D), start, guide, layouts..., noises...) -> (finest features, coarse maps)."""

    def __init__(self, generator: MaterialGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, style: Tensor, start: Tensor, guide: Tensor, *fields: Tensor) -> tuple[Tensor, Tensor]:
        n = self.generator.params.levels
        return self.generator.trunk(style, start, list(fields[:n]), list(fields[n:]), guide)


class PaintedTrunkPart(TrunkPart):
    """(style (B, K, D), start, guide, layouts..., noises..., shares...) -> (finest features, coarse maps)."""

    def forward(self, style: Tensor, start: Tensor, guide: Tensor, *fields: Tensor) -> tuple[Tensor, Tensor]:
        n = self.generator.params.levels
        return self.generator.trunk(style, start, list(fields[:n]), list(fields[n : 2 * n]), guide, list(fields[2 * n :]))


class HeadPart(nn.Module):
    """(finest features, coarse maps) -> maps."""

    def __init__(self, generator: MaterialGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, features: Tensor, coarse: Tensor) -> Tensor:
        return self.generator.head32(features, coarse)


class GuidedHeadPart(HeadPart):
    """(finest features, guide) -> maps."""

    def forward(self, features: Tensor, guide: Tensor) -> Tensor:
        return self.generator.head32(features, guided_coarse(guide))


class DetailPart(nn.Module):
    """(maps with a border of ``halo_px``) -> their detail in units of their contrast, less the border that it saw; the contrast, inside."""

    def __init__(self, params: UpscalerParams) -> None:
        super().__init__()
        self.cut = params.halo_px - COMPOSE_REACH_PX

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        detail, contrast = detail32(maps)
        return _inside(detail, DETAIL_REACH_PX), _inside(contrast, self.cut)


class ResidualPart(nn.Module):
    """(detail) -> what a bicubic enlargement lacks, before pixel-shuffle; its mean over the pixels that one becomes: both less the border."""

    def __init__(self, upscaler: Upscaler, scale: int) -> None:
        super().__init__()
        self.upscaler, self.scale = upscaler, scale

    def forward(self, detail: Tensor) -> tuple[Tensor, Tensor]:
        features = self.upscaler.features(detail)
        return self.upscaler.found(_inside(features, self.upscaler.params.body_reach_px), self.scale, padding=0)


class ComposePart(nn.Module):
    """(maps with a border of ``halo_px``, contrast, residual, its mean) -> enlarged maps with a border of `COMPOSE_REACH_PX` times the scale."""

    def __init__(self, params: UpscalerParams, scale: int) -> None:
        super().__init__()
        self.cut, self.scale = params.halo_px - COMPOSE_REACH_PX, scale

    def forward(self, maps: Tensor, contrast: Tensor, residual: Tensor, mean: Tensor) -> Tensor:
        return compose32(_inside(maps, self.cut), contrast, residual, mean, self.scale)


def _inside(maps: Tensor, cut: int) -> Tensor:
    """Without so many px on each side: what the next step does not see need not be computed."""
    return maps[..., cut:-cut, cut:-cut]


class EnvironmentTrunkPart(nn.Module):
    """(codes, start, plans..., noises...) -> finest features."""

    def __init__(self, generator: EnvironmentGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, codes: Tensor, start: Tensor, *fields: Tensor) -> Tensor:
        n = len(self.generator.params.widths)
        return self.generator.trunk(codes, start, list(fields[:n]), list(fields[n:]))


class EnvironmentHeadPart(nn.Module):
    """(finest features, finest plan) -> panorama."""

    def __init__(self, generator: EnvironmentGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, features: Tensor, plan: Tensor) -> Tensor:
        return self.generator.head32(features, plan)


PLACES = (0, 2, 3)
"""Batch, rows and columns of (B, C, H, W)."""


def _material_parts(network: dict[str, object], weights: Weights) -> dict[str, Part]:
    generator = build_generator(network, weights)
    params = generator.params
    sizes = [2 * 2**i for i in range(params.levels)]
    start = torch.zeros(1, params.noise_channels, 2, 2)
    guide = torch.zeros(1, GUIDE_CHANNELS, sizes[-1], sizes[-1])
    fields = [torch.zeros(1, 5, n, n) for n in sizes] + [torch.zeros(1, 1, n, n) for n in sizes]
    shares = [torch.full((1, 2, n, n), 0.5) for n in sizes]
    features, coarse = torch.zeros(1, params.widths[-1], sizes[-1], sizes[-1]), torch.zeros(1, OUTPUT_CHANNELS, sizes[-2], sizes[-2])
    plain = (torch.zeros(1, params.levels, params.style_dim), start, guide, *fields)
    painted = (torch.zeros(1, 2, params.style_dim), start, guide, *fields, *shares)
    free = (PLACES,) * (2 + len(fields))
    any_source = ((0, 1), *free, *((0, 1, 2, 3),) * len(shares))
    mapping = (torch.zeros(1, params.code_dim), torch.zeros(1, 1))
    return {
        "mapping": Part(MappingPart(generator), mapping, ((0,), (0,)), exact=True),
        "trunk": Part(TrunkPart(generator), plain, ((0,), *free), exact=False),
        "painted_trunk": Part(PaintedTrunkPart(generator), painted, any_source, exact=False, rare=True),
        "head": Part(HeadPart(generator), (features, coarse), (PLACES, PLACES), exact=True),
        "guided_head": Part(GuidedHeadPart(generator), (features, guide), (PLACES, PLACES), exact=True),
    }


def _upscaler_parts(network: dict[str, object], weights: Weights) -> dict[str, Part]:
    upscaler = build_upscaler(network, weights)
    params, inside = upscaler.params, 8
    maps, detail, made = (
        torch.zeros(1, CHANNELS, n, n)
        for n in (inside + 2 * params.halo_px, inside + 2 * (params.halo_px - DETAIL_REACH_PX), inside + 2 * COMPOSE_REACH_PX)
    )
    parts = {"detail": Part(DetailPart(params), (maps,), (PLACES,), exact=True)}
    for scale in (CLEAN_SCALE, *SCALES):
        residual = torch.zeros(1, CHANNELS * scale * scale, *made.shape[2:])
        parts[f"residual_x{scale}"] = Part(ResidualPart(upscaler, scale), (detail,), (PLACES,), exact=False, rare=True)
        parts[f"compose_x{scale}"] = Part(ComposePart(params, scale), (maps, made, residual, made), (PLACES,) * 4, exact=True, rare=True)
    return parts


def _estimator_parts(network: dict[str, object], weights: Weights) -> dict[str, Part]:
    estimator = build_estimator(network, weights)
    edge = 4 * ESTIMATE_MULTIPLE_PX
    example = (torch.zeros(1, SEEN, edge, edge), torch.zeros(1, estimator.params.classes))
    return {"estimate": Part(estimator, example, (PLACES, (0,)), exact=False)}


def _environment_parts(network: dict[str, object], weights: Weights) -> dict[str, Part]:
    generator = build_environment(network, weights)
    params = generator.params
    small = params.layout_rows
    rows = [small * 2**i for i in range(len(params.widths))]
    plans = [torch.zeros(1, PLAN_CHANNELS, n, 2 * n) for n in rows]
    noises = [torch.zeros(1, 1, n, 2 * n) for n in rows]
    trunk = (torch.zeros(1, STYLES, params.code_dim), torch.zeros(1, params.noise_channels, small, 2 * small), *plans, *noises)
    features = torch.zeros(1, params.widths[-1], rows[-1], 2 * rows[-1])
    return {
        "trunk": Part(EnvironmentTrunkPart(generator), trunk, ((0,),) * len(trunk), exact=False),
        "head": Part(EnvironmentHeadPart(generator), (features, plans[-1]), ((0,), (0,)), exact=True),
    }


BUILDERS: dict[str, Callable[[dict[str, object], Weights], dict[str, Part]]] = {
    "material": _material_parts,
    "upscaler": _upscaler_parts,
    "estimator": _estimator_parts,
    "environment": _environment_parts,
}
