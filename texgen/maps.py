# SPDX-License-Identifier: Apache-2.0
"""The data types of the project: map kinds and their formats, packed maps, results.

Numpy arrays of maps are (H, W, C) in the dtype of their `MapSpec`; `to_unit` gives float32 in
[0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

MAX_EDGE_PX = 16384
"""Longest edge, in px, of any map that is generated, enlarged or decoded."""

Pixels = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float16]
"""Samples of a map, (H, W, C), in the dtype of its `MapSpec`."""


class MapKind(StrEnum):
    """The kinds of map that a result can contain."""

    BASECOLOR = "basecolor"
    NORMAL = "normal"
    ROUGHNESS = "roughness"
    METALLIC = "metallic"
    HEIGHT = "height"
    AO = "ao"
    ENVIRONMENT = "environment"


class ColorSpace(StrEnum):
    """The colour spaces of decoded samples."""

    SRGB = "srgb"
    DATA = "data"
    LINEAR = "linear"


class Encoding(StrEnum):
    """The formats in which a map is packed on the wire and on disk."""

    RAW = "raw"
    PNG = "png"
    EXR = "exr"


class Border(StrEnum):
    """The ways to continue a picture beyond its edges."""

    WRAP = "wrap"
    """Repeats the picture on all sides: a tileable texture."""
    WRAP_X = "wrap-x"
    """Repeats it to the left and right, mirrors it above and below: a trim sheet."""
    WRAP_Y = "wrap-y"
    """Repeats it above and below, mirrors it to the left and right."""
    MIRROR = "mirror"
    """Mirrors it on all sides: a photograph that does not tile."""
    PANORAMA = "panorama"
    """Repeats it to the left and right, continues over the poles above and below."""


class Tiling(StrEnum):
    """The rules by which a repair makes a set of maps tileable."""

    AUTO = "auto"
    """Closes the axes along which a seam is visible."""
    ALWAYS = "always"
    """Closes both axes."""
    NEVER = "never"
    """Leaves the edges as they are."""


@dataclass(frozen=True)
class MapSpec:
    """The format of one map kind."""

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
"""The maps of a material; an environment has a single one."""
FILLABLE = (MapKind.NORMAL, MapKind.ROUGHNESS, MapKind.METALLIC, MapKind.HEIGHT, MapKind.AO)
"""Maps that a repair can compute where they are missing."""


@dataclass(frozen=True)
class PackedMap:
    """A map as bytes: RAW (rows from the top, interleaved, little endian), or a PNG or EXR
    file.
    """

    kind: MapKind
    width_px: int
    height_px: int
    channels: int
    dtype: str
    encoding: Encoding
    color_space: ColorSpace
    data: bytes | memoryview
    """Bytes; a read-only view for a RAW map that was received, because that memory is faster to
    fill.
    """

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with bytes for a view, which can be neither pickled nor copied."""
        return self.__dict__ | {"data": bytes(self.data)}


@dataclass(kw_only=True)
class MapSet:
    """Packed maps of one size that were computed together, as `Client.upscale` and `Client.repair`
    return them.
    """

    maps: dict[MapKind, PackedMap]
    engine: str
    """Name of the arithmetic, such as ``openvino-cpu/bf16/amx+SkylakeX/2026.1.0``. The same name
    gives the same bytes.
    """
    model_digest: str
    """SHA-256 of the model, lower-case hex."""
    height_range_tiles: float = 0.0
    """Height of white over black as a fraction of the tile's edge. After a repair: of the shorter
    edge, and 0 where the repair computed neither height nor normal.
    """
    timings_s: dict[str, float] = field(default_factory=dict)
    """Seconds in the queue, of computing and of encoding."""
    tileability: dict[MapKind, float] = field(default_factory=dict)
    """Rank of the seam's gradient, in percent, for each map; 100 is a visible seam (see
    `texgen.seams.seam_percentile`).
    """
    cache_hit: bool = False
    """True when the result came from the server's cache."""
    repairs: dict[MapKind, tuple[str, ...]] = field(default_factory=dict)
    """Steps of a repair for each map: "cleaned", "tiled", "from height", "from normal", "from
    estimate"; empty for a map that was left unchanged.
    """


@dataclass(frozen=True)
class PromptChoice:
    """The classes and controls that the server chose for a prompt."""

    classes: dict[str, float]
    """Weight of each class; they sum to 1."""
    material: str
    """Name of the training material that is nearest to the prompt."""
    controls: dict[str, float]
    """Controls that words of the prompt set."""
    similarity: float
    """Cosine similarity of the prompt to the choice, -1 to 1."""


@dataclass(kw_only=True)
class Material(MapSet):
    """A generated material: packed maps, and the recipe that reproduces them."""

    recipe: str
    """Text that reproduces the material, given the same model."""
    seed: int
    output_licence: str
    """SPDX identifier of the licence of the maps."""
    height_range_m: float
    """Height of white over black in metres."""
    controls: dict[str, float] = field(default_factory=dict)
    """Controls in use, defaults included."""
    window_px: tuple[int, int, int, int] | None = None
    """The part of the material that was generated, as (x, y, width, height); None: all of it."""
    endless: bool = False
    """True when the window lies in a field that never repeats."""
    prompt_choice: PromptChoice | None = None
    """The server's choice for a prompt; None without a prompt."""
    watermark: str = ""
    """Payload of the watermark in the basecolor; empty without one."""


@dataclass(frozen=True)
class Light:
    """A distant round light of uniform radiance."""

    azimuth_deg: float
    """0 at the centre of the panorama, increasing to the right."""
    elevation_deg: float
    radius_deg: float
    flux: tuple[float, float, float]
    """Radiance times steradians, linear Rec.709."""


@dataclass
class Environment:
    """A generated environment: an equirectangular panorama of linear radiance (Rec.709), and its
    lights.
    """

    panorama: PackedMap
    recipe: str
    """Text that reproduces the environment, given the same models."""
    seed: int
    model_digest: str
    """SHA-256 of the model, lower-case hex."""
    engine: str
    """Name of the arithmetic, as in `MapSet.engine`."""
    output_licence: str
    """SPDX identifier of the licence of the panorama."""
    lights: tuple[Light, ...]
    """Lights that the panorama contains, brightest first."""
    controls: dict[str, float] = field(default_factory=dict)
    """Controls in use, defaults included."""
    timings_s: dict[str, float] = field(default_factory=dict)
    """Seconds in the queue, of computing and of encoding."""
    cache_hit: bool = False
    """True when the result came from the server's cache."""


def raw_bytes(pixels: Pixels) -> bytes:
    """Return samples as `Encoding.RAW`: rows from the top, interleaved, little endian."""
    return raw_view(pixels).tobytes()


def raw_view(pixels: Pixels) -> memoryview:
    """Return samples as `Encoding.RAW`, without a copy where the array has that layout already."""
    return (
        np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
        .reshape(-1)
        .view(np.uint8)
        .data.toreadonly()
    )


def to_unit(pixels: Pixels) -> NDArray[np.float32]:
    """Convert integer samples to float32 in [0, 1]; half floats are only widened."""
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
