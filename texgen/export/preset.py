# SPDX-License-Identifier: Apache-2.0
"""Loads presets: the files that an engine expects, and the channels of maps in each of them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from texgen.errors import InvalidRequestError
from texgen.maps import MATERIAL_MAPS, MAX_EDGE_PX, MapKind

NORMALS = ("opengl", "directx")
COLOR_SPACES = ("srgb", "data")
DEPTHS = (8, 16)
FORMATS = ("png", "tiff", "exr", "ktx2")
CODECS = ("", "etc1s", "uastc")
DOCUMENTS = ("gltf", "usd", "usdz", "materialx", "godot")
_CHANNEL = re.compile(
    r"^(?P<inverted>1-)?(?P<map>" + "|".join(MATERIAL_MAPS) + r")(?:\.(?P<letter>[rgb]))?$"
)
_Choice = TypeVar("_Choice", str, int)
_NAME = re.compile(r"^[\w.{}-]+$")


@dataclass(frozen=True)
class Channel:
    """A channel of a file: a channel of a map, or a constant."""

    kind: MapKind | None
    index: int = 0
    inverted: bool = False
    constant: float = 0.0


@dataclass(frozen=True)
class FileLayout:
    """A file of a preset."""

    name: str
    """File name with ``{stem}``, without extension."""
    channels: tuple[Channel, ...]
    color_space: str
    bit_depth: int
    format: str
    codec: str = ""
    """Codec of KTX2; empty: ETC1S for sRGB, UASTC for data."""

    def kinds(self) -> set[MapKind]:
        """Return the maps that the file is packed of."""
        return {c.kind for c in self.channels if c.kind is not None}


@dataclass(frozen=True)
class Preset:
    """The files and documents that are written of a texture set."""

    name: str
    title: str
    normal: str
    """Direction of green, one of `NORMALS`."""
    files: tuple[FileLayout, ...]
    documents: tuple[str, ...]
    """Documents to write, some of `DOCUMENTS`."""
    notes: str
    """Instructions for importing the files, written beside them."""
    max_edge_px: int = 0
    """Longest edge, to which larger maps are shrunk; 0: no limit."""
    padding_px: int = 0
    """Pixels of the wrapped texture around each file, for atlases."""


def preset_names() -> list[str]:
    """Return the names of the presets that texgen contains."""
    return sorted(
        p.name.removesuffix(".toml") for p in _shipped().iterdir() if p.name.endswith(".toml")
    )


def load_preset(name: str) -> Preset:
    """Load a preset by its name or from a TOML file.

    Raises InvalidRequestError naming what is wrong in it.
    """
    if name.endswith(".toml"):
        path = Path(name)
        try:
            return _read(path.stem, path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise InvalidRequestError(
                f"cannot read the preset {name}: {error.strerror}", "preset"
            ) from error
        except UnicodeDecodeError as error:
            raise InvalidRequestError(f"the preset {name} is no UTF-8 text", "preset") from error
    if name not in preset_names():
        raise InvalidRequestError(
            f"there is no preset {name!r}: choose {', '.join(preset_names())}, or give a .toml "
            f"file",
            "preset",
        )
    return _shipped_preset(name)


@cache
def _shipped_preset(name: str) -> Preset:
    return _read(name, _shipped().joinpath(f"{name}.toml").read_text(encoding="utf-8"), name)


def _shipped() -> Traversable:
    return resources.files("texgen.export") / "presets"


def _read(name: str, text: str, source: str) -> Preset:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequestError(
            f"the preset {source} is not valid TOML: {error}", "preset"
        ) from error
    _check_keys(
        document,
        {"title", "normal", "file", "documents", "notes", "max_edge_px", "padding_px"},
        source,
    )
    files = tuple(_file(entry, source) for entry in document.get("file", []))
    documents = tuple(
        _one_of(d, DOCUMENTS, "document", source) for d in document.get("documents", [])
    )
    if not files:
        raise _wrong(source, "it has no [[file]]")
    normal = _one_of(document.get("normal", "opengl"), NORMALS, "normal", source)
    edge, padding = (
        _count(document.get(key, 0), key, source) for key in ("max_edge_px", "padding_px")
    )
    if padding and documents:
        raise _wrong(
            source,
            f"padding_px does not go with documents ({', '.join(documents)}): what is padded "
            f"does not repeat",
        )
    return Preset(
        name,
        str(document.get("title", name)),
        normal,
        files,
        documents,
        str(document.get("notes", "")),
        edge,
        padding,
    )


def _count(value: object, what: str, source: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_EDGE_PX:
        raise _wrong(source, f"{what} {value!r}: a whole number from 0 to {MAX_EDGE_PX}")
    return value


def _file(entry: object, source: str) -> FileLayout:
    if not isinstance(entry, dict):
        raise _wrong(source, "[[file]] must be a table")
    _check_keys(entry, {"name", "channels", "color_space", "bit_depth", "format", "codec"}, source)
    name, channels = entry.get("name", ""), entry.get("channels", [])
    if (
        not isinstance(name, str)
        or not _NAME.match(name)
        or "{stem}" not in name
        or re.sub(r"\{stem\}", "", name).count("{")
    ):
        raise _wrong(source, f"file name {name!r}: letters, digits, - _ . and one {{stem}}")
    if not isinstance(channels, list) or len(channels) not in (1, 3, 4):
        raise _wrong(source, f"{name}: give 1, 3 or 4 channels")
    layout = FileLayout(
        name,
        tuple(_channel(c, name, source) for c in channels),
        _one_of(entry.get("color_space", "data"), COLOR_SPACES, "color_space", source),
        _one_of(entry.get("bit_depth", 8), DEPTHS, "bit_depth", source),
        _one_of(entry.get("format", "png"), FORMATS, "format", source),
        _one_of(entry.get("codec", ""), CODECS, "codec", source),
    )
    if layout.format == "ktx2" and layout.bit_depth == 16:
        raise _wrong(source, f"{name}: KTX2 has 8 bits; give a height of 16 bits as png or exr")
    if layout.codec and layout.format != "ktx2":
        raise _wrong(source, f"{name}: codec goes with format ktx2")
    if not layout.kinds():
        raise _wrong(source, f"{name} holds constants alone")
    return layout


def _channel(text: object, name: str, source: str) -> Channel:
    if isinstance(text, int | float) and not isinstance(text, bool) and 0.0 <= text <= 1.0:
        return Channel(None, constant=float(text))
    match = _CHANNEL.match(text) if isinstance(text, str) else None
    if match is None:
        raise _wrong(
            source,
            f"{name}: channel {text!r}; write a map ({', '.join(MATERIAL_MAPS)}), basecolor.r, "
            f"1-roughness, or 0..1",
        )
    kind, letter = MapKind(match["map"]), match["letter"]
    if (kind in (MapKind.BASECOLOR, MapKind.NORMAL)) != bool(letter):
        raise _wrong(
            source,
            f"{name}: channel {text!r}; basecolor and normal need .r, .g or .b, the others "
            f"have one channel",
        )
    return Channel(kind, "rgb".index(letter or "r"), bool(match["inverted"]))


def _check_keys(table: Mapping[str, Any], allowed: set[str], source: str) -> None:
    if unknown := sorted(set(table) - allowed):
        raise _wrong(source, f"unknown key {unknown[0]!r}; there are {', '.join(sorted(allowed))}")


def _one_of(value: object, allowed: tuple[_Choice, ...], what: str, source: str) -> _Choice:
    if isinstance(value, bool) or value not in allowed:
        raise _wrong(source, f"{what} {value!r}: choose {', '.join(map(str, allowed))}")
    return allowed[allowed.index(value)]


def _wrong(source: str, why: str) -> InvalidRequestError:
    return InvalidRequestError(f"the preset {source}: {why}", "preset")
