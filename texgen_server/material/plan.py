# SPDX-License-Identifier: Apache-2.0
"""The plan of a material: the step between a recipe and the inputs of the network.

A plan is a list of *sources*, each with its share in the style of every level, in the noise and in
the layout. A plain recipe has one source a class; a variation and a mixture are plans over the
sources of what they are made of, so they can be made of each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from texgen.recipes.recipe import Recipe
from texgen_server.material.canvas import Canvas
from texgen_server.networks.params import MaterialParams

Array = NDArray[np.float32]

SHAPE_LEVELS = 3
"""The levels at 1/32 to 1/8 shape; the finer ones colour (measured: 99 % of a change of mean colour
comes from 1/4 and 1/2).
"""


@dataclass(frozen=True)
class MaterialTables:
    """Measurements of each training material of a model, in the order of its classes' members."""

    codes: Array  # (N, code_dim)
    waves: Array  # (N, K, 2) cycles per tile, (y, x)
    amplitudes: NDArray[np.complex64]  # (N, K, 5)
    colors: Array  # (N, 3) mean basecolor, sRGB
    # (N, 2, D) means and deviations of frozen features of the basecolor, in colour and in grey: for
    # captures
    moments: Array
    rows: dict[str, tuple[int, ...]]  # class -> its rows
    directions: dict[str, Array]  # control -> (style_dim,) added to the style for one unit of it


@dataclass(frozen=True)
class NetworkShape:
    """Sizes of a generator that sampling depends on."""

    noise_channels: int
    levels: int
    cell_px: int
    style_dim: int


@dataclass(frozen=True)
class Layout:
    """Waves of one material and how strong they are."""

    waves: Array  # (K, 2)
    amplitudes: NDArray[np.complex64]  # (K, 5)
    gain: float


@dataclass(frozen=True)
class Source:
    """A code with its layout and noise, and its share in the result."""

    code: Array  # (code_dim,)
    shift: Array  # (style_dim,) added to the style
    layouts: tuple[Layout, ...]
    origin: NDArray[np.float64]  # (2,) in tiles
    seed: int
    color: Array  # (3,) mean basecolor, sRGB: the pivot of contrast
    relief_tiles: float  # height range; 0: as the network predicts it
    gain: Array  # (3,) a capture's colour correction: basecolor is multiplied by it
    offset: Array  # (3,) and shifted by it
    style_share: Array  # (levels,)
    noise_share: Array  # (levels + 1,), the start's first
    layout_share: float
    part: int = 0
    """Index of the part of the mask that it belongs to."""

    @property
    def color_share(self) -> float:
        """Share in the colours."""
        return float(self.style_share[SHAPE_LEVELS:].mean())

    def scaled(self, factor: float) -> Source:
        """Return the source with all shares multiplied."""
        return replace(
            self,
            style_share=self.style_share * np.float32(factor),
            noise_share=self.noise_share * np.float32(factor),
            layout_share=self.layout_share * factor,
        )


@dataclass(frozen=True)
class Transition:
    """A ramp from part 0 (left) to part 1 (right) over some periods."""

    steps: int
    margin: float
    """Share of the whole, on either side, that belongs to one part alone: the borders' pixels
    depend on it.
    """


@dataclass(frozen=True)
class Plan:
    """Everything that shapes a material except the place of its pixels."""

    recipe: Recipe
    sources: tuple[Source, ...]
    canvas: Canvas
    mask: NDArray[np.uint8] | Transition | None = None
    """Part of each pixel of the canvas, (H, W), for a painted mixture."""
    relief: Plan | None = None
    """The plan that height and occlusion come from, where it is another one."""


def network_shape(params: MaterialParams) -> NetworkShape:
    """Return the sizes of a generator that sampling depends on."""
    return NetworkShape(params.noise_channels, params.levels, params.cell_px, params.style_dim)
