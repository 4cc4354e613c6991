# SPDX-License-Identifier: Apache-2.0
"""Recipe -> latents -> maps, as pure numpy functions around one network call.

Latents are what the network is fed: a code, a density, noise, layout. The network returns raw maps in [0, 1]; `finish_maps` derives
the normal, applies the controls that act on finished maps, and rounds to the dtypes of `texgen.maps.MAP_SPECS`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texgen.maps import MapKind, Pixels
from texgen.modelcard import ModelCard
from texgen.recipe import MaterialRecipe
from texgen_server.layout import layout_field
from texgen_server.noise import gaussian_field, uniforms

Array = NDArray[np.float32]

MAX_MEMBER_MIX = 0.5
"""How far a sample may lie from one training material towards another of its class."""


@dataclass(frozen=True)
class MaterialTables:
    """What training measured for each material of a model, in the order of its classes' members."""

    codes: Array  # (N, code_dim)
    waves: Array  # (N, K, 2) cycles per tile, (y, x)
    amplitudes: NDArray[np.complex64]  # (N, K, 5)
    rows: dict[str, tuple[int, ...]]  # class -> its rows


@dataclass(frozen=True)
class NetworkShape:
    """What sampling must know of the network."""

    noise_channels: int
    levels: int
    cell_px: int


@dataclass(frozen=True)
class Latents:
    """Inputs of the network for one image; leading axis 1."""

    code: Array  # (1, code_dim)
    log2_density: Array  # (1, 1), log2(px per tile) - 8
    start: Array  # (1, noise_channels, h, w)
    layouts: list[Array]  # level i: (1, 5, h 2^i, w 2^i)
    noises: list[Array]  # level i: (1, 1, h 2^i, w 2^i)
    tile_px: float
    """Pixels per tile in force."""


def network_shape(card: ModelCard) -> NetworkShape:
    """From the model's description."""
    network = card.network
    return NetworkShape(network["noise_channels"], len(network["widths"]), network["cell_px"])


def tile_layout(recipe: MaterialRecipe) -> tuple[tuple[int, int], float]:
    """Whole tiles down and across, and pixels per tile.

    The wanted density is lowered to the shorter edge (so that a small picture shows a whole tile), then rounded so that a whole
    number of tiles fits each edge.
    """
    wanted = min(recipe.controls["tile_px"], recipe.width_px, recipe.height_px)
    down, across = (max(1, round(edge / wanted)) for edge in (recipe.height_px, recipe.width_px))
    return (down, across), math.sqrt(recipe.height_px / down * recipe.width_px / across)


def choose_code(recipe: MaterialRecipe, tables: MaterialTables) -> tuple[Array, list[tuple[int, float]]]:
    """The code (1, code_dim) that a recipe's classes, seed and psi name, and the (row, share) whose layouts it has.

    In each class the seed picks one training material and moves up to half of the way to another; psi pulls towards (or, above 1,
    away from) the class's mean.
    """
    code = np.zeros((1, tables.codes.shape[1]), np.float32)
    layouts = []
    for name, weight in recipe.classes:
        rows = tables.rows[name]
        draw = uniforms(recipe.seed, _stream(name), 3)
        first = rows[int(draw[0] * len(rows))]
        second = rows[int(draw[1] * len(rows))]
        t = MAX_MEMBER_MIX * draw[2] ** 2
        mean = tables.codes[list(rows)].mean(0)
        sample = tables.codes[first] * (1.0 - t) + tables.codes[second] * t
        code += (weight * (mean + recipe.psi * (sample - mean))).astype(np.float32)
        layouts.append((first, weight))
    return code, layouts


def _stream(name: str) -> int:
    """A stream number of its own for each class, so that adding a class to a mix does not redraw the others."""
    return int.from_bytes(name.encode()[:6].ljust(6, b"\0"), "little") % 65_521


def make_latents(recipe: MaterialRecipe, tables: MaterialTables, shape: NetworkShape) -> Latents:
    """Everything the network needs, from the recipe alone."""
    code, members = choose_code(recipe, tables)
    return latents_for(recipe, code, members, tables, shape)


def latents_for(
    recipe: MaterialRecipe, code: Array, members: list[tuple[int, float]], tables: MaterialTables, shape: NetworkShape
) -> Latents:
    """The latents of a given code (1, code_dim), with the layouts of the given (row, share); size, seed and controls by recipe."""
    rows, columns = recipe.height_px // shape.cell_px, recipe.width_px // shape.cell_px
    tiles, tile_px = tile_layout(recipe)
    origin = uniforms(recipe.seed, 1, 2)[None]
    layouts, noises = [], []
    for level in range(shape.levels):
        grid = (rows * 2**level, columns * 2**level)
        field = np.zeros((1, tables.amplitudes.shape[2], *grid), np.float32)
        for row, share in members:
            part = layout_field(tables.waves[row : row + 1], tables.amplitudes[row : row + 1], origin, tiles, grid)
            field += np.float32(share * recipe.controls["regularity"]) * part
        layouts.append(field)
        noises.append(gaussian_field(recipe.seed, 1 + level, 1, *grid)[None])
    start = gaussian_field(recipe.seed, 0, shape.noise_channels, rows, columns)[None]
    density = np.array([[math.log2(tile_px) - 8.0]], np.float32)
    return Latents(code, density, start, layouts, noises, tile_px)


def finish_maps(raw: Array, relief_tiles: float, recipe: MaterialRecipe, tile_px: float) -> tuple[dict[MapKind, Pixels], float]:
    """(7, H, W) network output in [0, 1] -> maps as (H, W, C) in their dtypes, and the height's range in tiles.

    The normal is derived from the height as stored, so the two agree to the last bit of what a client can read.
    """
    height = _to_uint(raw[3:4], 65535).astype(np.uint16)
    relief = relief_tiles * recipe.controls["relief_depth"]
    roughness = np.clip(raw[4:5] + np.float32(recipe.controls["roughness_offset"]), 0.0, 1.0)
    planes: dict[MapKind, NDArray[Any]] = {
        MapKind.BASECOLOR: _to_uint(raw[:3], 255),
        MapKind.NORMAL: _to_uint(normal_from_height(height[0], relief * tile_px) * 0.5 + 0.5, 255),
        MapKind.ROUGHNESS: _to_uint(roughness, 255),
        MapKind.METALLIC: _to_uint(raw[5:6], 255),
        MapKind.HEIGHT: height,
        MapKind.AO: _to_uint(raw[6:7], 255),
    }
    maps = {kind: np.ascontiguousarray(plane.transpose(1, 2, 0)) for kind, plane in planes.items()}
    return {k: v if k is MapKind.HEIGHT else v.astype(np.uint8) for k, v in maps.items()}, relief


def normal_from_height(height: NDArray[np.uint16], range_px: float) -> Array:
    """(H, W) stored height and the px of white over black -> (3, H, W) OpenGL unit normals by central differences on the torus."""
    unit = height.astype(np.float32) * np.float32(range_px * 0.5 / 65535.0)
    right = np.roll(unit, -1, 1) - np.roll(unit, 1, 1)
    down = np.roll(unit, -1, 0) - np.roll(unit, 1, 0)
    normal = np.stack([-right, down, np.ones_like(unit)])
    normal /= np.sqrt((normal * normal).sum(0, keepdims=True))
    return normal


def _to_uint(values: Array, top: int) -> Array:
    rounded: Array = np.floor(values * np.float32(top) + np.float32(0.5))
    return rounded
