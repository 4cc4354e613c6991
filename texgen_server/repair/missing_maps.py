# SPDX-License-Identifier: Apache-2.0
"""Makes missing maps from those that are present: geometry is computed, the rest is estimated small
and enlarged along edges.

Height from a normal map is its integral; a normal map from a height is its derivative, with the
depth that the estimator predicts; the two always agree. Everything here treats the picture as a
torus. Numpy only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texgen.errors import InvalidRequestError
from texgen.maps import FILLABLE, MAP_SPECS, MapKind, Pixels, from_unit, to_unit
from texgen_server.backend import Backend
from texgen_server.material.postprocess import store_normal
from texgen_server.networks.channels import (
    ESTIMATE_MULTIPLE_PX,
    ESTIMATE_PX,
    ESTIMATED,
    MAP_CHANNELS,
    SLOPE_UNIT,
    split_channels,
)
from texgen_server.repair.normal_integration import central_slopes, integrate, slopes_from_normal

Array = NDArray[np.float32]

LONGEST_PX = 2048
"""Longest edge of the estimator's input: a strip keeps its shape up to eight to one."""
RELIEF_TILES = (0.002, 0.3)
"""Least and most height range, black to white, as a fraction of the shorter edge, where it is
estimated.
"""
METAL_DOUBT = 0.15
FILTER_PX, FILTER_FLOOR = 4, 1e-3
"""Half window of the guided filter, in px of the small picture, and the variance below which the
guide counts as flat.
"""


@dataclass(frozen=True)
class FilledMaps:
    """Maps that were made, their sources, and the depth of the relief."""

    maps: dict[MapKind, Pixels]
    sources: dict[MapKind, str]
    """Source of each map: "height", "normal" or "estimate"."""
    relief_tiles: float
    """Height of white over black as a fraction of the picture's shorter edge; 0 where no relief was
    made.
    """


def fill_maps(
    maps: Mapping[MapKind, Pixels],
    wanted: Iterable[MapKind],
    estimator: Backend,
    class_share: Array,
) -> FilledMaps:
    """Make the maps of ``wanted`` that are not in ``maps`` (H, W, C), in the dtypes of `MAP_SPECS`.
    ``class_share`` (K,) is 1 at the given class.

    Raises InvalidRequestError when there is nothing to make them from.
    """
    missing = [k for k in FILLABLE if k in set(wanted) - set(maps)]
    if not missing:
        return FilledMaps({}, {}, 0.0)
    if not set(maps) & {MapKind.BASECOLOR, MapKind.NORMAL, MapKind.HEIGHT}:
        raise InvalidRequestError(
            "missing maps are made from basecolor, normal or height: send at least one of them",
            "maps",
        )
    estimate = _estimate(maps, estimator, class_share)
    made: dict[MapKind, Pixels] = {}
    sources: dict[MapKind, str] = {}
    relief_px = 0.0
    for kind in missing:
        if kind not in (MapKind.NORMAL, MapKind.HEIGHT):
            estimated = (
                _stretched(estimate[kind][0]) if kind is MapKind.METALLIC else estimate[kind][0]
            )
            made[kind] = _stored(kind, sharpened(estimated, maps))
            sources[kind] = "estimate"
    if MapKind.HEIGHT in missing or MapKind.NORMAL in missing:
        relief, sources_of_relief, relief_px = _relief(maps, estimate)
        made |= {k: p for k, p in relief.items() if k in missing}
        sources |= {k: s for k, s in sources_of_relief.items() if k in missing}
    edge = min(next(iter(maps.values())).shape[:2])
    return FilledMaps({k: made[k] for k in missing}, sources, relief_px / edge)


def _stretched(metallic: Array) -> Array:
    """Stretch metallic values: those within `METAL_DOUBT` of 0 or 1 become 0 or 1, as no material
    is slightly metallic.
    """
    stretched: Array = np.clip(
        (metallic - np.float32(METAL_DOUBT)) / np.float32(1.0 - 2.0 * METAL_DOUBT), 0.0, 1.0
    )
    return stretched


def _relief(
    maps: Mapping[MapKind, Pixels], estimate: dict[MapKind, Array]
) -> tuple[dict[MapKind, Pixels], dict[MapKind, str], float]:
    """Make a height and a normal that agree, from the one that is present; the last value is the px
    of white over black.
    """
    if MapKind.NORMAL in maps:
        right, down = slopes_from_normal(
            to_unit(maps[MapKind.NORMAL][..., :3]) * np.float32(2.0) - np.float32(1.0)
        )
        height = integrate(right, down)
        relief_px = max(2.1 * float(np.quantile(np.abs(height), 0.999)), 1e-3 * min(height.shape))
        unit = np.clip(0.5 + height / np.float32(relief_px), 0.0, 1.0)
        return (
            {MapKind.HEIGHT: _stored(MapKind.HEIGHT, unit)},
            {MapKind.HEIGHT: "normal"},
            relief_px,
        )
    sources = {
        MapKind.HEIGHT: "estimate",
        MapKind.NORMAL: "height" if MapKind.HEIGHT in maps else "estimate",
    }
    unit = (
        to_unit(maps[MapKind.HEIGHT])[..., 0]
        if MapKind.HEIGHT in maps
        else sharpened(estimate[MapKind.HEIGHT][0], maps)
    )
    edge = min(unit.shape)
    low, high = (share * edge for share in RELIEF_TILES)
    relief_px = float(np.clip(_depth(unit, estimate[MapKind.NORMAL]), low, high))
    stored = {
        MapKind.HEIGHT: _stored(MapKind.HEIGHT, unit),
        MapKind.NORMAL: np.zeros((*unit.shape, 3), np.uint8),
    }
    store_normal(stored, relief_px)
    return stored, sources, relief_px


def _depth(unit: Array, slopes: Array) -> float:
    """Return the px of white over black with which a height's slopes, averaged to the estimate's
    size, come nearest to those estimated.
    """
    scale = unit.shape[1] / slopes.shape[2]
    small = resized(unit, slopes.shape[1:])
    ours = np.stack(central_slopes(small))  # of a height in units, per px of the small picture
    energy = float((ours * ours).sum())
    return (
        scale * float((ours * slopes * np.float32(SLOPE_UNIT)).sum()) / energy
        if energy > 0
        else 0.0
    )


def _estimate(
    maps: Mapping[MapKind, Pixels], estimator: Backend, class_share: Array
) -> dict[MapKind, Array]:
    """Run the estimator: maps (C, h, w) each, at the small size."""
    inputs = estimator_input(maps)
    (made,) = estimator.run("estimate", [inputs[None], class_share[None].astype(np.float32)])
    return {MapKind(name): planes for name, planes in split_channels(made[0], ESTIMATED).items()}


def estimator_input(maps: Mapping[MapKind, Pixels]) -> Array:
    """Build the estimator's input (15, h, w) from maps: shrunk, slopes for normals, zeros for
    missing ones, then for each map 1 where it is present.
    """
    size = _small_size(next(iter(maps.values())).shape[:2])
    planes, marks = [], []
    for name, channels in MAP_CHANNELS.items():
        pixels = maps.get(MapKind(name))
        planes.append(
            np.zeros((channels, *size), np.float32)
            if pixels is None
            else _shrunk(MapKind(name), pixels, size)
        )
        marks.append(np.full((1, *size), pixels is not None, np.float32))
    return np.concatenate([*planes, *marks])


def _small_size(shape: tuple[int, ...]) -> tuple[int, int]:
    factor = ESTIMATE_PX / min(shape)
    rows, columns = (
        min(LONGEST_PX, max(1, round(n * factor / ESTIMATE_MULTIPLE_PX)) * ESTIMATE_MULTIPLE_PX)
        for n in shape
    )
    return rows, columns


def _shrunk(kind: MapKind, pixels: Pixels, size: tuple[int, int]) -> Array:
    if kind is MapKind.NORMAL:
        planes = np.stack(
            slopes_from_normal(to_unit(pixels[..., :3]) * np.float32(2.0) - np.float32(1.0))
        ) / np.float32(SLOPE_UNIT)
    else:
        planes = to_unit(pixels[..., :3]).transpose(2, 0, 1)
    return np.stack([resized(plane, size) for plane in planes])


def resized(plane: Array, size: tuple[int, ...]) -> Array:
    """Resize (H, W) on the torus to (rows, columns): averaged where it shrinks, bicubic where it
    grows.
    """
    if plane.shape == tuple(size):
        return plane
    pads = [0 if n <= plane.shape[i] else 3 for i, n in enumerate(size)]
    padded = np.pad(plane, [(p, p) for p in pads], "wrap") if any(pads) else plane
    box = (
        float(pads[1]),
        float(pads[0]),
        float(pads[1] + plane.shape[1]),
        float(pads[0] + plane.shape[0]),
    )
    resampling = Image.Resampling.BICUBIC if any(pads) else Image.Resampling.BOX
    picture = Image.fromarray(np.ascontiguousarray(padded, np.float32))
    return np.asarray(picture.resize((size[1], size[0]), resampling, box=box), np.float32)


def sharpened(small: Array, maps: Mapping[MapKind, Pixels]) -> Array:
    """Enlarge a small plane (h, w) in [0, 1] to the maps' size, along the edges of their guide (He
    & Sun 2015).
    """
    guide = _guide(maps)
    low = resized(guide, small.shape)
    mean, level = _box(low), _box(small)
    together, variance = _box(low * small) - mean * level, _box(low * low) - mean * mean
    slope = np.asarray(together / (variance + FILTER_FLOOR), np.float32)
    offset = level - slope * mean
    full = resized(_box(slope), guide.shape) * guide + resized(_box(offset), guide.shape)
    unit: Array = np.clip(full, 0.0, 1.0)
    return unit


def _guide(maps: Mapping[MapKind, Pixels]) -> Array:
    """Return the guide (H, W) in [0, 1]: the colour's lightness, else height, else the normal's
    z.
    """
    if MapKind.BASECOLOR in maps:
        lightness: Array = to_unit(maps[MapKind.BASECOLOR][..., :3]).mean(2)
        return lightness
    height = MapKind.HEIGHT in maps
    return to_unit(maps[MapKind.HEIGHT if height else MapKind.NORMAL])[..., 0 if height else 2]


def _box(plane: Array) -> Array:
    """Compute the mean over a window of `FILTER_PX` to each side, on the torus."""
    out: Array = plane
    for axis in (0, 1):
        out = np.stack(
            [np.roll(out, step, axis) for step in range(-FILTER_PX, FILTER_PX + 1)]
        ).mean(0, np.float32)
    return out


def _stored(kind: MapKind, unit: Array) -> Pixels:
    return from_unit(unit, MAP_SPECS[kind].dtype)[..., None]
