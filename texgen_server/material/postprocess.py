# SPDX-License-Identifier: Apache-2.0
"""Postprocessing of the network's output: controls that act on finished maps, rounding to the
dtypes of `MAP_SPECS`, the normal.

The network's output comes in windows; each is rounded where it lies, so a picture never exists in
float as a whole. Colour is adjusted in OKLab (Ottosson 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texgen.files.images import linear_to_srgb, srgb_to_linear
from texgen.maps import MAP_SPECS, MATERIAL_MAPS, MapKind, Pixels, from_unit
from texgen_server.material.plan import Array, Plan
from texgen_server.networks.channels import AO, BASECOLOR, HEIGHT, METALLIC, ROUGHNESS

STRIP_ROWS = 32
"""Rows that are processed at a time: they stay in the processor's cache."""
COLOR_CONTROLS = ("hue_shift", "saturation", "brightness", "contrast")
POSTPROCESS_CONTROLS = frozenset(
    {*COLOR_CONTROLS, "roughness_offset", "relief_depth", "tile_size_m"}
)
"""Controls that are read after the network only (``tile_size_m`` by the client): the raw maps do
not depend on them.
"""

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@dataclass(frozen=True)
class Postprocess:
    """Parameters of the postprocessing of a plan's raw maps."""

    relief_tiles: float
    """Height range of the result, black to white, in tiles."""
    part_reliefs: Array
    """Height range of each part as a fraction of the largest, (parts,)."""
    controls: dict[str, float]
    pivot: Array
    """Mean basecolor (3,), sRGB."""
    gain: Array
    """Factor on the basecolor of each part, (parts, 3): the correction of the captures in it."""
    offset: Array
    """Offset after the factor, (parts, 3)."""


def make_postprocess(plan: Plan, part_relief_tiles: Array) -> Postprocess:
    """Derive the parameters from a plan; ``part_relief_tiles`` (parts,) is the height range of each
    part in tiles.
    """
    recipe, parts = plan.recipe, len(part_relief_tiles)
    largest = float(part_relief_tiles.max())
    totals = np.zeros((parts, 1), np.float32)
    gain, offset, color = (np.zeros((parts, 3), np.float32) for _ in range(3))
    for s in plan.sources:
        share = np.float32(s.color_share)
        totals[s.part] += share
        gain[s.part] += share * s.gain
        offset[s.part] += share * s.offset
        color[s.part] += share * s.color
    return Postprocess(
        relief_tiles=largest * recipe.controls["relief_depth"],
        part_reliefs=part_relief_tiles / np.float32(largest),
        controls=dict(recipe.controls),
        pivot=(color / totals).mean(0),
        gain=gain / totals,
        offset=offset / totals,
    )


def empty_maps(rows: int, columns: int) -> dict[MapKind, NDArray[Any]]:
    """Allocate all maps of a picture, (H, W, C) each."""
    return {
        kind: np.zeros((rows, columns, MAP_SPECS[kind].channels), MAP_SPECS[kind].dtype)
        for kind in MATERIAL_MAPS
    }


def store_window(
    maps: dict[MapKind, NDArray[Any]],
    raw: Array,
    top: int,
    left: int,
    postprocess: Postprocess,
    shares: Array | None,
) -> None:
    """Round (7, h, w) network output in [0, 1] into the maps at a place; all but the normal.

    ``shares`` (parts, h, w) is the share of each part: heights are scaled where parts of unlike
    relief meet.
    """
    for row in range(0, raw.shape[1], STRIP_ROWS):
        part = np.s_[:, row : row + STRIP_ROWS]
        _store_strip(
            maps,
            raw[part],
            top + row,
            left,
            postprocess,
            shares[part] if shares is not None else None,
        )


def _store_strip(
    maps: dict[MapKind, NDArray[Any]],
    raw: Array,
    top: int,
    left: int,
    postprocess: Postprocess,
    shares: Array | None,
) -> None:
    area = np.s_[top : top + raw.shape[1], left : left + raw.shape[2]]
    height = raw[HEIGHT]
    if shares is not None:
        height = 0.5 + (height - 0.5) * np.tensordot(postprocess.part_reliefs, shares, 1)
    roughness = np.clip(
        raw[ROUGHNESS] + np.float32(postprocess.controls["roughness_offset"]), 0.0, 1.0
    )
    color = from_unit(adjust_color(raw[BASECOLOR], postprocess, shares), np.uint8)
    maps[MapKind.BASECOLOR][area] = color.transpose(1, 2, 0)
    maps[MapKind.ROUGHNESS][area] = from_unit(roughness, np.uint8)[..., None]
    maps[MapKind.METALLIC][area] = from_unit(raw[METALLIC], np.uint8)[..., None]
    maps[MapKind.HEIGHT][area] = from_unit(height, np.uint16)[..., None]
    maps[MapKind.AO][area] = from_unit(raw[AO], np.uint8)[..., None]


def store_normal(maps: dict[MapKind, NDArray[Any]], range_px: float) -> None:
    """Derive the normal from the height as stored, so the two agree to the last bit of what a
    client can read.
    """
    height = maps[MapKind.HEIGHT][..., 0]
    rows = height.shape[0]
    for top in range(0, rows, STRIP_ROWS):
        bottom = min(rows, top + STRIP_ROWS)
        strip = height[np.arange(top - 1, bottom + 1) % rows]
        normal = normal_from_height(strip, range_px)[:, 1:-1]
        normal *= np.float32(0.5)
        normal += np.float32(0.5)
        maps[MapKind.NORMAL][top:bottom] = from_unit(normal, np.uint8).transpose(1, 2, 0)


def crop_maps(
    maps: dict[MapKind, NDArray[Any]], top: int, left: int, rows: int, columns: int
) -> dict[MapKind, Pixels]:
    """Return the maps of a part of the picture."""
    return {
        kind: np.ascontiguousarray(plane[top : top + rows, left : left + columns])
        for kind, plane in maps.items()
    }


def normal_from_height(height: NDArray[np.uint16], range_px: float) -> Array:
    """Derive OpenGL unit normals (3, H, W) from the stored height (H, W) and the px of white over
    black, by central differences on the torus.
    """
    rows, columns = height.shape
    unit = np.empty((rows + 2, columns + 2), np.float32)  # a px of the other side around
    unit[1:-1, 1:-1] = height
    unit[1:-1, 1:-1] *= np.float32(range_px * 0.5 / 65535.0)
    unit[0, 1:-1], unit[-1, 1:-1] = unit[-2, 1:-1], unit[1, 1:-1]
    unit[:, 0], unit[:, -1] = unit[:, -2], unit[:, 1]
    normal = np.empty((3, rows, columns), np.float32)
    np.subtract(unit[1:-1, :-2], unit[1:-1, 2:], out=normal[0])
    np.subtract(unit[2:, 1:-1], unit[:-2, 1:-1], out=normal[1])
    length = normal[0] * normal[0]
    length += normal[1] * normal[1]
    length += np.float32(1.0)
    np.sqrt(length, out=length)
    normal[:2] /= length
    np.divide(np.float32(1.0), length, out=normal[2])
    return normal


def adjust_color(basecolor: Array, postprocess: Postprocess, shares: Array | None = None) -> Array:
    """Apply the captures' correction, then hue, saturation, brightness and contrast, to (3, H, W)
    sRGB in [0, 1].
    """
    color = basecolor
    if not (np.all(postprocess.gain == 1) and np.all(postprocess.offset == 0)):
        under = np.ones((1, 1, 1), np.float32) if shares is None else shares
        gain, offset = (
            np.tensordot(values.T, under, 1) for values in (postprocess.gain, postprocess.offset)
        )
        color = np.clip(color * gain + offset, 0.0, 1.0)
    values = postprocess.controls
    if all(
        values[name] == neutral
        for name, neutral in zip(COLOR_CONTROLS, (0.0, 1.0, 1.0, 1.0), strict=True)
    ):
        return color
    lab = _oklab(color)
    pivot = float(_oklab(postprocess.pivot[:, None, None])[0, 0, 0])
    lab[0] = ((lab[0] - pivot) * np.float32(values["contrast"]) + pivot) * np.float32(
        values["brightness"]
    )
    turn = np.deg2rad(values["hue_shift"])
    a, b = lab[1].copy(), lab[2].copy()
    lab[1] = (a * np.cos(turn) - b * np.sin(turn)) * np.float32(values["saturation"])
    lab[2] = (a * np.sin(turn) + b * np.cos(turn)) * np.float32(values["saturation"])
    return _srgb(lab)


def _oklab(srgb: Array) -> Array:
    lms = np.cbrt(np.tensordot(_TO_LMS.astype(np.float32), srgb_to_linear(srgb), 1))
    return np.tensordot(_TO_LAB.astype(np.float32), lms, 1)


def _srgb(lab: Array) -> Array:
    lms = np.tensordot(np.linalg.inv(_TO_LAB).astype(np.float32), lab, 1) ** 3
    linear = np.tensordot(np.linalg.inv(_TO_LMS).astype(np.float32), lms, 1)
    return linear_to_srgb(np.clip(linear, 0.0, 1.0))
