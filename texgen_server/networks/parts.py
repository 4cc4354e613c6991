# SPDX-License-Identifier: Apache-2.0
"""The generator cut into the three graphs that a backend compiles: mapping and head stay float32, the trunk need not."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from texgen.errors import LoadError
from texgen_server.networks.material import MaterialGenerator, MaterialParams, guided_coarse


def build_generator(network: dict[str, object], weights: dict[str, NDArray[np.float32]]) -> MaterialGenerator:
    """The generator of a model's ``[network]`` table with its weights, in evaluation mode.

    Weights from before there were guides leave those at zero. Raises LoadError when others are missing, or are of another shape.
    """
    generator = MaterialGenerator(params_from(network))
    unguided = {k: v for k, v in generator.state_dict().items() if k.endswith(".guide.weight")}
    try:
        generator.load_state_dict(unguided | {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in weights.items()})
    except RuntimeError as error:
        raise LoadError(f"the weights do not fit the network that model.toml describes; export the model anew ({error})") from error
    return generator.eval().requires_grad_(requires_grad=False)


def params_from(network: dict[str, object]) -> MaterialParams:
    """``[network]`` of ``model.toml`` -> parameters."""
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
