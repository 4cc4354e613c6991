# SPDX-License-Identifier: Apache-2.0
"""The words of the project: map kinds and what each holds, packed maps, a finished material, a
finished environment.

Numpy arrays of maps are (H, W, C) in the dtype of their `MapSpec`; ``to_unit`` gives float32 in [0,
1].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

MAX_EDGE_PX = 16384
"""Longest edge of anything that is made or taken."""
SEAM_SAMPLES = 128
"""Pixels of a row or column that `seam_percentile` looks at, about."""
SEAM_RUN = 16
"""So many of a row's lie together."""

Pixels = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float16]


class MapKind(StrEnum):
    """One map of a result."""

    BASECOLOR = "basecolor"
    NORMAL = "normal"
    ROUGHNESS = "roughness"
    METALLIC = "metallic"
    HEIGHT = "height"
    AO = "ao"
    ENVIRONMENT = "environment"


class ColorSpace(StrEnum):
    """Colour space of decoded samples."""

    SRGB = "srgb"
    DATA = "data"
    LINEAR = "linear"


class Encoding(StrEnum):
    """How a map is packed on the wire and on disk."""

    RAW = "raw"
    PNG = "png"
    EXR = "exr"


@dataclass(frozen=True)
class MapSpec:
    """What a map holds."""

    kind: MapKind
    channels: int
    dtype: str
    color_space: ColorSpace
    suffix: str
    """File name suffix, without extension."""


MAP_SPECS: dict[MapKind, MapSpec] = {
    spec.kind: spec
    for spec in (
        MapSpec(MapKind.BASECOLOR, 3, "uint8", ColorSpace.SRGB, "_basecolor"),
        MapSpec(MapKind.NORMAL, 3, "uint8", ColorSpace.DATA, "_normal_gl"),
        MapSpec(MapKind.ROUGHNESS, 1, "uint8", ColorSpace.DATA, "_roughness"),
        MapSpec(MapKind.METALLIC, 1, "uint8", ColorSpace.DATA, "_metallic"),
        MapSpec(MapKind.HEIGHT, 1, "uint16", ColorSpace.DATA, "_height"),
        MapSpec(MapKind.AO, 1, "uint8", ColorSpace.DATA, "_ao"),
        MapSpec(MapKind.ENVIRONMENT, 3, "float16", ColorSpace.LINEAR, "_environment"),
    )
}
MATERIAL_MAPS = tuple(kind for kind in MapKind if kind is not MapKind.ENVIRONMENT)
"""The maps of a material; an environment is a single one."""


@dataclass(frozen=True)
class PackedMap:
    """One map as bytes: RAW (rows from the top, interleaved, little endian), or a PNG or
    EXR file.
    """

    kind: MapKind
    width_px: int
    height_px: int
    channels: int
    dtype: str
    encoding: Encoding
    color_space: ColorSpace
    data: bytes | memoryview
    """Bytes; of a RAW map that was received a read-only view of them, in memory that is cheap to
    fill.
    """

    def __getstate__(self) -> dict[str, Any]:
        """A view can be neither pickled nor copied: bytes instead."""
        return self.__dict__ | {"data": bytes(self.data)}


@dataclass
class Material:
    """A finished material: packed maps, and where they came from."""

    maps: dict[MapKind, PackedMap]
    recipe: str
    """Text that makes it again, given the same model."""
    seed: int
    model_digest: str
    engine: str
    """The arithmetic it was made with, such as ``openvino-cpu/bf16/amx+SkylakeX/2026.1.0``: the
    same name, the same bytes.
    """
    output_licence: str
    height_range_tiles: float
    """Height of white over black as a fraction of the tile's edge."""
    height_range_m: float
    controls: dict[str, float] = field(default_factory=dict)
    timings_s: dict[str, float] = field(default_factory=dict)
    tileability: dict[MapKind, float] = field(default_factory=dict)
    """Percentile of the seam's gradient among all; 100 is a visible seam (see `seam_percentile`).
    """
    cache_hit: bool = False
    window_px: tuple[int, int, int, int] | None = None
    """The part of the field that this is, as (x, y, width, height); None: the whole."""
    endless: bool = False
    understood: dict[str, Any] = field(default_factory=dict)
    """What a prompt was understood as: classes, material, controls, similarity."""
    repairs: dict[MapKind, tuple[str, ...]] = field(default_factory=dict)
    """What a repair did to each map: "cleaned", "tiled", "from height", "from normal", "from
    estimate"; nothing: left as it came.
    """
    watermark: str = ""
    """What the mark in the basecolor says, where the client put one there."""


@dataclass(frozen=True)
class Light:
    """A round light of even radiance, far away."""

    azimuth_deg: float
    """0 at the centre of the panorama, increasing to the right."""
    elevation_deg: float
    radius_deg: float
    flux: tuple[float, float, float]
    """Radiance times steradians, linear Rec.709."""


@dataclass
class Environment:
    """A finished environment: an equirectangular panorama of linear radiance (Rec.709), and what
    lights it.
    """

    panorama: PackedMap
    recipe: str
    """Text that makes it again, given the same models."""
    seed: int
    model_digest: str
    engine: str
    output_licence: str
    lights: tuple[Light, ...]
    """Drawn into the panorama, the brightest first."""
    controls: dict[str, float] = field(default_factory=dict)
    timings_s: dict[str, float] = field(default_factory=dict)
    cache_hit: bool = False


def raw_bytes(pixels: Pixels) -> bytes:
    """Samples as `Encoding.RAW` has them: rows from the top, interleaved, little endian."""
    return raw_view(pixels).tobytes()


def raw_view(pixels: Pixels) -> memoryview:
    """The same, in the array's own memory where it lies there so."""
    return (
        np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
        .reshape(-1)
        .view(np.uint8)
        .data.toreadonly()
    )


def to_unit(pixels: Pixels) -> NDArray[np.float32]:
    """Integer samples to float32 in [0, 1]; half floats are only widened."""
    if pixels.dtype == np.float16:
        return pixels.astype(np.float32)
    top = 255.0 if pixels.dtype == np.uint8 else 65535.0
    unit: NDArray[np.float32] = pixels.astype(np.float32) / np.float32(top)
    return unit


def from_unit(
    unit: NDArray[np.floating], dtype: DTypeLike, *, half_to_even: bool = False
) -> NDArray[Any]:
    """Quantise samples in [0, 1] to uint8 or uint16: the inverse of `to_unit`. Samples outside are
    clipped; float16 is only narrowed.

    Halves are rounded up, or with ``half_to_even`` to the even number, as `numpy.round` does.
    """
    wanted = np.dtype(dtype)
    if wanted.kind == "f":
        return unit.astype(wanted)
    top = np.float32(np.iinfo(wanted).max)
    if half_to_even:
        return np.asarray(np.round(np.clip(unit, 0.0, 1.0) * top), wanted)
    scaled = np.asarray(unit * top)
    scaled += np.float32(0.5)
    np.clip(scaled, np.float32(0.0), top + np.float32(0.5), out=scaled)
    return scaled.astype(wanted)  # the cast cuts the fraction off


def seam_percentile(pixels: Pixels) -> float:
    """Percentile (0..100) of the gradient across the wrap-around among those of all neighbouring
    rows and columns.

    (H, W, C) or (H, W). On an exactly periodic image the seam is a pair of neighbours like any
    other. The worse axis counts; a map without any gradient has 0. Of a large map some rows, and
    some runs of columns, are looked at.
    """
    height, width = pixels.shape[:2]
    image = np.ascontiguousarray(pixels).reshape(height, width, -1)
    channels = image.shape[2]
    columns = _some_columns(image)
    rows = image[:: max(1, height // SEAM_SAMPLES)].reshape(-1, width * channels)
    between_rows = _steps(columns, 1, 0) @ np.ones(columns.shape[1], np.float32)
    between_columns = (
        (np.ones(len(rows), np.float32) @ _steps(rows, channels, 1)).reshape(width, channels).sum(1)
    )
    return max(_rank_of_first(between_rows), _rank_of_first(between_columns))


def _some_columns(image: NDArray[Any]) -> NDArray[Any]:
    """(H, W, C) -> (H, n): runs of pixels that lie together, as single ones would take longer to
    gather than to look at.
    """
    height, width = image.shape[:2]
    apart = SEAM_RUN * max(1, width // SEAM_SAMPLES)
    return np.concatenate(
        [image[:, at : at + SEAM_RUN] for at in range(0, width, apart)], 1
    ).reshape(height, -1)


def _steps(lines: NDArray[Any], distance: int, axis: int) -> NDArray[np.float32]:
    """How far each sample is from the one before it, around the end; whole numbers in their own
    type first, which is faster.
    """
    if lines.dtype.kind == "f":
        lines = lines.astype(np.float32)
    before = np.roll(lines, distance, axis)
    steps: NDArray[np.float32] = np.subtract(
        np.maximum(lines, before), np.minimum(lines, before)
    ).astype(np.float32, copy=False)
    return steps


def _rank_of_first(gradient: NDArray[np.float32]) -> float:
    """Percentile of the first one among the others."""
    return (
        100.0 * float((gradient[1:] < gradient[0]).mean())
        if len(gradient) > 1 and gradient.max() > 0
        else 0.0
    )
