# SPDX-License-Identifier: Apache-2.0
"""Sizes, windows and computed kernels of the networks, and the parts that each runs in. Needs no
torch.

Both implementations read this: `networks` (torch) and `graphs` (OpenVINO).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texgen.errors import LoadError
from texgen_server.networks.channels import CLEAN_SCALE, ESTIMATED, MAP_CHANNELS, SCALES

Weights = dict[str, NDArray[np.float32]]
"""Weights of a network, by the names of the torch module."""

GRID_PX = 5
"""Edge of the window, on the grid of the finest level, over which a pattern of period 2 counts as a
fault.
"""
CELL_PX = 32
"""Pixels per cell of a material: every size is a multiple of it."""

CONDITIONING_CHANNELS = 8
"""Number of channels of the conditioning at every level of an environment: log2 radiance of red,
green and blue (in units of `channels.STOPS`), share of sky, share of ground below the horizon, sine
and cosine of the elevation, glow around the brightest light.
"""
STYLES = 2
"""Number of styles of an environment: that of the sky, that of the rest."""

ESTIMATOR_INPUTS = sum(MAP_CHANNELS.values()) + len(MAP_CHANNELS)
"""Number of channels of the estimator's input: the maps, zero where missing, then for each map 1
where it is present.
"""
ESTIMATOR_OUTPUTS = sum(MAP_CHANNELS[name] for name in ESTIMATED)
"""Number of channels of the estimator's output."""
GROUPS = 4
"""Number of groups of channels that the estimator normalises together."""
LEVEL_GAIN, DETAIL_GAIN = 0.1, 0.1
"""Factors that keep a step of the estimator's training small beside the differences of maps:
without them the mean of a map jumps about, and its detail is never learned.
"""
SLOPE_GAIN = 3.0
"""Factor on the estimator's detail where it is a slope."""

UPSCALER_CHANNELS = sum(MAP_CHANNELS.values())
"""Number of channels of the upscaler's input and output."""
MEAN_PX, CLEAN_MEAN_PX = 5, 9
"""Edge of the window, in px of the small size, over which the upscaler takes the local mean: for
the input and for x2 and x4, and for what x1 adds (the blocks of a JPEG file are 8 px, and have
means of their own).
"""
CONTRAST_PX = 11
"""Edge of the window over which the contrast of a map is measured."""
LEAST_CONTRAST = 0.5 / 255.0
"""Contrast below which a map is amplified less and less: there is little but rounding in it."""
USUAL_CONTRAST = 0.05
"""Contrast at which a map is neither amplified nor damped."""
DETAIL_REACH_PX = MEAN_PX // 2 + CONTRAST_PX // 2
"""Reach of the upscaler's first step (detail and contrast)."""
COMPOSE_REACH_PX = CLEAN_MEAN_PX // 2
"""Reach of the upscaler's last step; the bicubic's two px are less."""


@dataclass(frozen=True)
class MaterialParams:
    """Size of a material generator; written into ``model.toml`` beside the weights."""

    code_dim: int = 64
    style_dim: int = 256
    noise_channels: int = 16
    widths: tuple[int, ...] = (320, 320, 192, 96, 48)  # at 1/32, 1/16, 1/8, 1/4, 1/2 of the output

    @property
    def levels(self) -> int:
        """Number of resolutions, coarsest first; level ``i`` has a grid step of ``32 /
        2**i`` px.
        """
        return len(self.widths)

    @property
    def cell_px(self) -> int:
        """Pixels per cell."""
        return CELL_PX


@dataclass(frozen=True)
class EnvironmentParams:
    """Size of an environment generator; written into ``model.toml`` beside the weights."""

    code_dim: int = 32
    style_dim: int = 128
    noise_channels: int = 8
    widths: tuple[int, ...] = (128, 80, 32)  # at 64, 128, 256 rows
    layout_rows: int = 64
    """Rows of the small panorama that it starts from; it has twice as many columns."""

    @property
    def levels(self) -> int:
        """Number of resolutions, coarsest first."""
        return len(self.widths)

    @property
    def rows(self) -> int:
        """Rows of the result."""
        return int(self.layout_rows * 2**self.levels)


@dataclass(frozen=True)
class EstimatorParams:
    """Size of an estimator; written into ``model.toml`` beside the weights."""

    classes: int
    widths: tuple[int, ...] = (32, 64, 96, 128)
    """Channels of the levels, from half the picture's resolution down."""


@dataclass(frozen=True)
class UpscalerParams:
    """Size of an upscaler; written into ``model.toml`` beside the weights."""

    width: int = 64
    depth: int = 12  # convolutions in pairs, each pair with a skip

    @property
    def halo_px(self) -> int:
        """Border, in px of the small size, that the result's pixels depend on: convolutions,
        contrast and two local means.
        """
        return DETAIL_REACH_PX + self.body_reach_px + 1 + COMPOSE_REACH_PX

    @property
    def body_reach_px(self) -> int:
        """Reach of the convolutions before the heads."""
        return self.depth + 1


NetworkParams = MaterialParams | EnvironmentParams | EstimatorParams | UpscalerParams


def material_params(network: Mapping[str, Any]) -> MaterialParams:
    """Read ``[network]`` of a material model's ``model.toml``."""
    return MaterialParams(
        int(network["code_dim"]),
        int(network["style_dim"]),
        int(network["noise_channels"]),
        tuple(network["widths"]),
    )


def environment_params(network: Mapping[str, Any]) -> EnvironmentParams:
    """Read ``[network]`` of an environment model's ``model.toml``."""
    code_dim, style_dim, noise_channels, rows = (
        int(network[key]) for key in ("code_dim", "style_dim", "noise_channels", "layout_rows")
    )
    return EnvironmentParams(code_dim, style_dim, noise_channels, tuple(network["widths"]), rows)


def estimator_params(network: Mapping[str, Any]) -> EstimatorParams:
    """Read ``[network]`` of an estimator's ``model.toml``."""
    return EstimatorParams(int(network["classes"]), tuple(network["widths"]))


def upscaler_params(network: Mapping[str, Any]) -> UpscalerParams:
    """Read ``[network]`` of an upscaler's ``model.toml``.

    Raises LoadError for a model of an earlier network.
    """
    if network.get("contrast_px") != CONTRAST_PX:
        raise LoadError(
            "this upscaler was made for an earlier version of the network, without contrasts; "
            "take the model of this version"
        )
    return UpscalerParams(int(network["width"]), int(network["depth"]))


def misfit(why: object) -> LoadError:
    """Make the error of weights that are not those of the network that the card describes."""
    return LoadError(
        f"the weights do not fit the network that model.toml describes; export the model anew "
        f"({why})"
    )


@dataclass(frozen=True)
class PartKind:
    """Requirements of a part of a network."""

    exact: bool
    """True for a part that runs in float32 whatever the precision of the rest."""
    rare: bool = False
    """True for a part that is compiled at its first use only."""


PARTS: dict[str, dict[str, PartKind]] = {
    "material": {
        "mapping": PartKind(exact=True),
        "trunk": PartKind(exact=False),
        "painted_trunk": PartKind(exact=False, rare=True),
        "head": PartKind(exact=True),
        "guided_head": PartKind(exact=True),
    },
    "upscaler": {
        "detail": PartKind(exact=True),
        **{
            f"residual_x{scale}": PartKind(exact=False, rare=True)
            for scale in (CLEAN_SCALE, *SCALES)
        },
        **{
            f"compose_x{scale}": PartKind(exact=True, rare=True) for scale in (CLEAN_SCALE, *SCALES)
        },
    },
    "estimator": {"estimate": PartKind(exact=False)},
    "environment": {"trunk": PartKind(exact=False), "head": PartKind(exact=True)},
}
"""Kind of model -> the parts that it runs as: those that must stay float32 apart from those that
need not.
"""


def bicubic_kernel(scale: int) -> NDArray[np.float32]:
    """Make the kernel of a bicubic enlargement (Keys, a = -0.5).

    (s^2, 1, 5, 5): the weights of the 5 x 5 neighbours of a pixel for each of the pixels that it
    becomes, in the order of pixel-shuffle.
    """
    rows = []
    for phase in range(scale):
        offset = (phase + 0.5) / scale - 0.5  # of the new pixel's centre from the old one's, in px
        rows.append([_keys(abs(tap - offset)) for tap in range(-2, 3)])
    taps = np.array(rows, np.float32)
    return (taps[:, None, :, None] * taps[None, :, None, :]).reshape(scale * scale, 1, 5, 5)


def _keys(x: float, a: float = -0.5) -> float:
    if x < 1.0:
        return (a + 2.0) * x**3 - (a + 3.0) * x**2 + 1.0
    return a * x**3 - 5.0 * a * x**2 + 8.0 * a * x - 4.0 * a if x < 2.0 else 0.0
