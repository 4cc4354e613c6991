# SPDX-License-Identifier: Apache-2.0
"""Converts the arguments of a call to fields of a request, and checks them.

Checked here is what protobuf cannot hold: types, ranges of integers, unknown names. Every function
raises InvalidRequestError with the name of the argument. The server checks the rest.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from typing import TypeVar

import numpy as np

from texgen.errors import InvalidRequestError
from texgen.maps import MAP_SPECS, Encoding, MapKind, Pixels, raw_bytes
from texgen.pb import texgen_pb2 as pb
from texgen.wire.chunks import CHUNK_BYTES
from texgen.wire.enums import DTYPE_TO_PB, ENCODING_TO_PB, KIND_TO_PB, SPACE_TO_PB

Classes = str | Mapping[str, float]
"""A class name, or weights by class name."""
RecipeWeights = Mapping[str, float] | Iterable[tuple[str, float]]
"""Weights by recipe text, as a mapping or as pairs."""

_Name = TypeVar("_Name", bound=str)
_Value = TypeVar("_Value")


def text_field(value: str, name: str) -> str:
    """Check a text: it must be valid Unicode."""
    if not isinstance(value, str):
        raise _wrong_type(value, name, "a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"{name} {value!r}: not valid Unicode text", name) from error
    return value


def bytes_field(value: bytes, name: str) -> bytes:
    """Check the content of a file."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise _wrong_type(value, name, "the bytes of a file")
    return bytes(value)


def flag_field(value: bool, name: str) -> bool:  # noqa: FBT001 - it is the value to check
    """Check a switch."""
    if not isinstance(value, bool | np.bool_):
        raise _wrong_type(value, name, "True or False")
    return bool(value)


def number_field(value: float, name: str) -> float:
    """Check a number; infinity and NaN pass, the server refuses them."""
    if not isinstance(value, Real):
        raise _wrong_type(value, name, "a number")
    try:
        return float(value)
    except OverflowError as error:
        raise InvalidRequestError(f"{name} {value}: too large for a float", name) from error


def optional_number(value: float | None, name: str) -> float | None:
    """Check a number that may be missing."""
    return None if value is None else number_field(value, name)


def integer_field(value: int, name: str, bits: int = 32) -> int:
    """Check a whole number from 0 to 2**bits - 1."""
    whole = _integer(value, name)
    if not 0 <= whole < 2**bits:
        raise InvalidRequestError(
            f"{name} {whole}: allowed are whole numbers from 0 to {2**bits - 1}", name
        )
    return whole


def seed_field(seed: int | None) -> int | None:
    """Check a seed: 0 to 2**64 - 1, or None."""
    return None if seed is None else integer_field(seed, "seed", 64)


def size_field(size_px: tuple[int, int] | None) -> pb.Size | None:
    """Convert (width, height) in px."""
    if size_px is None:
        return None
    width, height = _integers(size_px, "size", "(width, height) in px")
    return pb.Size(width_px=_edge(width), height_px=_edge(height))


def window_field(window_px: tuple[int, int, int, int] | None) -> pb.Window | None:
    """Convert (x, y, width, height) in px; x and y may be negative."""
    if window_px is None:
        return None
    x, y, width, height = _integers(window_px, "window", "(x, y, width, height) in px")
    if max(abs(x), abs(y)) >= 2**63:
        raise InvalidRequestError(f"window at {x}, {y}: too far from the origin", "window")
    return pb.Window(x_px=x, y_px=y, width_px=_edge(width), height_px=_edge(height))


def controls_field(controls: Mapping[str, float] | None) -> dict[str, float]:
    """Convert control values by name; None stands for none."""
    return _numbers_by_name({} if controls is None else controls, "controls")


def class_mix(classes: Classes) -> list[pb.ClassWeight]:
    """Convert a class name or weights by class name; an empty name stands for no class."""
    weights = {classes: 1.0} if isinstance(classes, str) else classes
    return [
        pb.ClassWeight(name=name, weight=weight)
        for name, weight in _numbers_by_name(weights, "classes").items()
        if name
    ]


def mix_parts(parts: RecipeWeights) -> list[pb.MixPart]:
    """Convert weights by recipe, given as a mapping or as pairs."""
    pairs = parts.items() if isinstance(parts, Mapping) else parts
    try:
        return [
            pb.MixPart(recipe=text_field(recipe, "parts"), weight=number_field(weight, "parts"))
            for recipe, weight in pairs
        ]
    except (TypeError, ValueError) as error:
        raise _wrong_type(parts, "parts", "pairs of a recipe and its weight") from error


def palette_field(colours: Iterable[int]) -> list[int]:
    """Check colours, each 0xRRGGBB."""
    return [integer_field(colour, "palette") for colour in _items(colours, "palette")]


def map_kinds(kinds: Iterable[MapKind], name: str) -> list[pb.MapKind]:
    """Convert map kinds, or their names."""
    return [choice(KIND_TO_PB, kind, name) for kind in _items(kinds, name)]


def encoding_field(encoding: Encoding) -> pb.Encoding:
    """Convert an encoding, or its name."""
    return choice(ENCODING_TO_PB, encoding, "encoding")


def priority_field(batch: bool) -> pb.Priority:  # noqa: FBT001 - it is the value to convert
    """Return the priority of a batch request or of an interactive one."""
    return pb.PRIORITY_BATCH if flag_field(batch, "batch") else pb.PRIORITY_INTERACTIVE


def choices(table: Mapping[_Name, _Value], names: Iterable[str], field: str) -> list[_Value]:
    """Look up several names."""
    return [choice(table, name, field) for name in _items(names, field)]


def choice(table: Mapping[_Name, _Value], name: str, field: str) -> _Value:
    """Look up a name; the error lists the allowed ones."""
    known: dict[str, _Value] = dict(table.items())
    if not isinstance(name, str) or name not in known:
        allowed = ", ".join(filter(None, known))
        raise InvalidRequestError(f"{field} {name!r}: allowed are {allowed}", field)
    return known[name]


def map_headers(maps: Mapping[MapKind, Pixels]) -> list[pb.MapHeader]:
    """Announce maps that follow as raw samples."""
    if not isinstance(maps, Mapping):
        raise _wrong_type(maps, "maps", "arrays by map kind")
    return [_map_header(kind, pixels) for kind, pixels in maps.items()]


def map_chunks(maps: Mapping[MapKind, Pixels]) -> Iterator[pb.Chunk]:
    """Cut the raw samples of maps into messages."""
    for kind, pixels in maps.items():
        data = raw_bytes(pixels)
        for offset in range(0, len(data), CHUNK_BYTES):
            piece = data[offset : offset + CHUNK_BYTES]
            yield pb.Chunk(kind=KIND_TO_PB[kind], offset=offset, data=piece)


def _map_header(kind: MapKind, pixels: Pixels) -> pb.MapHeader:
    value = choice(KIND_TO_PB, kind, "maps")
    if not isinstance(pixels, np.ndarray):
        raise _wrong_type(pixels, f"maps: {kind}", "a numpy array (H, W, C) of uint8 or uint16")
    if pixels.ndim != 3 or str(pixels.dtype) not in ("uint8", "uint16"):
        raise InvalidRequestError(
            f"{kind}: {pixels.dtype} of shape {pixels.shape}; give (H, W, C) of uint8 or uint16",
            "maps",
        )
    height, width, channels = pixels.shape
    return pb.MapHeader(
        kind=value,
        width_px=width,
        height_px=height,
        channels=channels,
        dtype=DTYPE_TO_PB[str(pixels.dtype)],
        encoding=pb.ENCODING_RAW,
        color_space=SPACE_TO_PB[MAP_SPECS[MapKind(kind)].color_space],
        byte_size=pixels.nbytes,
    )


def _edge(edge_px: int) -> int:
    if not 0 <= edge_px < 2**32:
        raise InvalidRequestError(f"size {edge_px} px: give a positive number of pixels", "size")
    return edge_px


def _integer(value: int, name: str) -> int:
    try:
        return operator.index(value)
    except TypeError as error:
        raise _wrong_type(value, name, "a whole number") from error


def _integers(values: Iterable[int], name: str, form: str) -> tuple[int, ...]:
    """Check a tuple of whole numbers whose form is described by ``form``."""
    found = tuple(_integer(value, name) for value in _items(values, name))
    if len(found) != form.count(",") + 1:
        raise InvalidRequestError(f"{name} {values!r}: give {form}", name)
    return found


def _numbers_by_name(values: Mapping[str, float], name: str) -> dict[str, float]:
    if not isinstance(values, Mapping):
        raise _wrong_type(values, name, "numbers by name, such as {'name': 1.0}")
    return {text_field(key, name): number_field(value, name) for key, value in values.items()}


def _items(values: Iterable[_Value], name: str) -> list[_Value]:
    """Return the items of an iterable that is no text: a single name is a likely mistake."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise _wrong_type(values, name, "a list or tuple")
    return list(values)


def _wrong_type(value: object, name: str, wanted: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{name}: {value!r:.80} of type {type(value).__name__}; give {wanted}", name.split(":")[0]
    )
