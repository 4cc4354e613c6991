# SPDX-License-Identifier: Apache-2.0
"""Reads the maps of a set as arrays: unpacked, with gloss as roughness and normals in OpenGL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from texgen.errors import InvalidRequestError, TexgenError
from texgen.inputs.normals import measure_direction
from texgen.inputs.pictures import read_picture
from texgen.inputs.places import Source
from texgen.inputs.sets import LeftOut, MapSource, SetFile, TextureSet
from texgen.maps import MapKind, Pixels

LETTERS = "rgba"


@dataclass
class ReadSet:
    """The maps of one set."""

    name: str
    maps: dict[MapKind, Pixels] = field(default_factory=dict)
    """(H, W, C) uint8 or uint16: basecolor 3 or 4 channels in sRGB, normal 3 (OpenGL), others 1."""
    sources: dict[MapKind, MapSource] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was converted, and from what a direction was concluded."""

    def size(self) -> tuple[int, int]:
        """Return (height, width) of all maps. Raises InvalidRequestError if they differ."""
        sizes = {kind: pixels.shape[:2] for kind, pixels in self.maps.items()}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{kind} {w} x {h}" for kind, (h, w) in sizes.items())
            raise InvalidRequestError(
                f"the maps of {self.name} differ in size: {told}; give them one size", "maps"
            )
        height, width = next(iter(sizes.values()))
        return height, width


def read_set(found: TextureSet, *, direction: str = "auto") -> ReadSet:
    """Read the best source of each map of a set.

    ``direction`` of normals: "gl", "dx", or "auto": measured, else by name, else OpenGL. A file
    that cannot be read is left out with its error, and the next best source is taken. Raises
    InvalidRequestError if no map can be read.
    """
    result = ReadSet(found.name)
    remaining, pictures = found, dict[Source, Any]()
    while True:
        sources = remaining.maps()
        broken = _decode(sources.values(), pictures, result)
        if not broken:
            break
        kept = tuple(f for f in remaining.files if f.source not in broken)
        remaining = replace(remaining, files=kept)
    result.left_out += remaining.unused()
    for kind, source in sources.items():
        pixels = _map_pixels(kind, source, pictures[source.file.source], result)
        if pixels is not None:
            result.maps[MapKind(kind)], result.sources[MapKind(kind)] = pixels, source
    if not result.maps:
        reasons = "; ".join(f"{entry.source.name}: {entry.reason}" for entry in result.left_out)
        raise InvalidRequestError(f"no map of {found.name} can be read ({reasons})", "maps")
    _orient_normal(result, direction)
    return result


def _decode(
    sources: Iterable[MapSource], pictures: dict[Source, Any], result: ReadSet
) -> set[Source]:
    """Decode files that are not decoded yet; returns those that cannot be."""
    broken = set()
    for source in {found.file.source: found.file for found in sources}.values():
        if source.source in pictures or source.source in broken:
            continue
        try:
            picture = read_picture(
                source.source.read(), source.source.name, colour=source.role == "basecolor"
            )
        except TexgenError as error:
            broken.add(source.source)
            result.left_out.append(LeftOut(source.source, str(error)))
            continue
        pictures[source.source] = picture.pixels
        result.notes += [f"{source.source.name}: {note}" for note in picture.notes]
    return broken


def _map_pixels(kind: str, source: MapSource, pixels: Any, result: ReadSet) -> Pixels | None:
    """Cut a map out of its file."""
    name = source.file.source.name
    channels = pixels.shape[2]
    if kind == "basecolor":
        return np.repeat(pixels, 3, 2) if channels == 1 else pixels
    if kind == "normal":
        if channels < 3:
            result.left_out.append(
                LeftOut(source.file.source, "a grey picture is no normal map: it may be a height")
            )
            return None
        return np.ascontiguousarray(pixels[..., :3])
    index = LETTERS.index(source.channel) if source.channel else 0
    if index >= channels:
        reason = f"it has {channels} channels, none for {kind}"
        result.left_out.append(LeftOut(source.file.source, reason))
        return None
    if not source.channel and channels >= 3 and not _is_grey(pixels):
        result.notes.append(f"{name} is coloured: its red channel is read as {kind}")
    cut = np.ascontiguousarray(pixels[..., index : index + 1])
    inverted = source.inverted and kind == "roughness"
    return np.asarray(~cut) if inverted else cut


def _is_grey(pixels: Any) -> bool:
    """Return whether the colour channels are equal, up to what JPEG changes."""
    colours = pixels[::7, ::7, :3].astype(np.int64)
    span = colours.max(2) - colours.min(2)
    return bool(span.mean() <= np.iinfo(pixels.dtype).max / 64)


def _orient_normal(result: ReadSet, direction: str) -> None:
    """Turn a DirectX normal to OpenGL, and say how its direction was found."""
    normal = result.maps.get(MapKind.NORMAL)
    if normal is None:
        return
    source = result.sources[MapKind.NORMAL]
    green, reason = _green(normal, result.maps.get(MapKind.HEIGHT), source.file, direction)
    result.notes.append(f"{source.file.source.name}: {reason}")
    if green == "dx":
        turned: Any = normal.copy()
        turned[..., 1] = ~turned[..., 1]
        result.maps[MapKind.NORMAL] = turned
    result.sources[MapKind.NORMAL] = replace(source, inverted=green == "dx")


def _green(normal: Pixels, height: Pixels | None, file: SetFile, direction: str) -> tuple[str, str]:
    """Return the green direction, "gl" or "dx", and the reason."""
    if direction != "auto":
        return direction, f"read as {_called(direction)}, as asked for"
    measured = measure_direction(normal, height).green
    named = {"normal_gl": "gl", "normal_dx": "dx"}.get(file.role, "")
    if named and measured and named != measured:
        return measured, (
            f"measured as {_called(measured)}, though its name says {_called(named)}; "
            f"--normal {named} overrides"
        )
    if measured:
        return measured, f"measured as {_called(measured)}"
    if named:
        return named, f"{_called(named)} by its name"
    return "gl", "its direction cannot be measured and its name does not say it: read as OpenGL"


def _called(green: str) -> str:
    return "OpenGL" if green == "gl" else "DirectX"
