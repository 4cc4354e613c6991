# SPDX-License-Identifier: Apache-2.0
"""``texgen upscale``: larger maps of a folder of sets, or of one picture. Files keep their names, channels and bit depth."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from texgen.commands.connection import add_connection, add_parser, connected, progress_line, tell, write_paths
from texgen.errors import InvalidRequestError
from texgen.files import check_output, write_files
from texgen.images import decode
from texgen.maps import Encoding, MapKind, Pixels
from texgen.pbr_sets import find_sets, map_word
from texgen.picture_files import PictureFile, check_writable, picture_bytes, read_picture

BORDERS = ("wrap", "wrap-x", "wrap-y", "mirror", "panorama")
PLAIN = {"basecolor", "normal", "roughness", "metallic", "height", "ao"}
PACKED = (MapKind.AO, MapKind.ROUGHNESS, MapKind.METALLIC)
"""Channels of an ARM or ORM file."""


def add_upscale(commands: Any) -> None:
    """``texgen upscale``"""
    parser = add_parser(
        commands.add_parser,
        "Enlarge texture sets or pictures 2 or 4 times; seams stay closed, maps stay in agreement.",
        "texgen upscale textures --scale 4 --out textures_4k",
        "upscale",
    )
    parser.add_argument("source", type=Path, metavar="DIR|IMAGE", help="a folder of texture sets in any common naming, or one picture")
    parser.add_argument("--scale", type=int, choices=(2, 4), default=4, help="how many times larger (default 4)")
    parser.add_argument(
        "--border",
        choices=BORDERS,
        default="wrap",
        help="what lies beyond the edges: wrap tiles (default), mirror does not, panorama is a sky",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the files go, flat, under their own names")
    parser.add_argument("--model", default="", metavar="ID", help="default: upscaler")
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, progress on stderr")
    add_connection(parser)
    parser.set_defaults(run=_upscale)


@dataclass(frozen=True)
class Piece:
    """Some channels of a file, as one map for the upscaler."""

    kind: MapKind
    file: PictureFile
    channels: tuple[int, ...]
    flip_green: bool = False


def _upscale(options: argparse.Namespace) -> int:
    sets, skipped = _sets(options.source)
    names = [path.name for files in sets.values() for path in files.values()]
    if len(set(names)) < len(names):
        double = next(n for n in names if names.count(n) > 1)
        raise InvalidRequestError(
            f"two files are named {double}: their results lie flat in --out; upscale the folders one by one", "source"
        )
    if options.out.resolve() == (options.source if options.source.is_dir() else options.source.parent).resolve() and not options.force:
        raise InvalidRequestError(f"--out {options.out} is where the originals are: choose another folder", "out")
    check_output(options.out, names, force=options.force)
    told = []
    with connected(options) as client, progress_line() as show:
        for name, files in sets.items():
            pictures = [(kind, read_picture(path)) for kind, path in files.items()]
            for _, picture in pictures:
                check_writable(picture)
            made = _enlarge(client, options, pictures, show)
            contents = {path.name: picture_bytes(made[path], path, srgb=kind == "basecolor") for kind, path in files.items()}
            paths = write_files(contents, options.out, force=options.force)
            write_paths(options, paths)
            told.append({"name": name, "paths": [str(p) for p in paths], "skipped": [str(p) for p in skipped]})
    return tell(options, told)


def _sets(source: Path) -> tuple[dict[str, dict[str, Path]], list[Path]]:
    """Name -> kind of map -> file, and the pictures that belong to no set. Raises InvalidRequestError."""
    if source.is_file():
        found = map_word(source.stem)
        return {source.stem: {found[1] if found else "basecolor": source}}, []
    if not source.is_dir():
        raise InvalidRequestError(f"{source} is neither a folder nor a file", "source")
    found_sets, nameless = find_sets(source, deep=False)
    if not found_sets:
        raise InvalidRequestError(f"no file in {source} is named as a map, such as wood_basecolor.png or wood_normal_gl.png", "source")
    return {stem: files for (_, stem), files in found_sets.items()}, [p for p in nameless if "preview" not in p.stem.lower()]


def _enlarge(client: Any, options: argparse.Namespace, files: list[tuple[str, PictureFile]], show: Any) -> dict[Path, Any]:
    """All files of a set: what can go together goes together, the rest follows alone."""
    scale = options.scale
    out: dict[Path, Any] = {
        f.path: np.zeros((f.pixels.shape[0] * scale, f.pixels.shape[1] * scale, f.pixels.shape[2]), f.pixels.dtype) for _, f in files
    }
    for group in _groups([piece for kind, file in files for piece in _pieces(kind, file)]):
        maps = {piece.kind: _taken(piece) for piece in group}
        made = client.upscale(maps, scale, border=options.border, model=options.model, encoding=Encoding.RAW, on_progress=show)
        for piece in group:
            large: Any = decode(made.maps[piece.kind])
            if piece.flip_green:
                large[..., 1] = ~large[..., 1]
            out[piece.file.path][..., list(piece.channels)] = large[..., : len(piece.channels)]
    return out


def _taken(piece: Piece) -> Pixels:
    """(H, W, C) as the upscaler takes it: a grey basecolor becomes three equal channels, three equal ones of data become one."""
    pixels: Any = np.ascontiguousarray(piece.file.pixels[..., list(piece.channels)])
    if piece.flip_green:
        pixels[..., 1] = ~pixels[..., 1]
    if piece.kind is MapKind.BASECOLOR and pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, 2)
    result: Pixels = pixels if piece.kind in (MapKind.BASECOLOR, MapKind.NORMAL) else pixels[..., :1]
    return result


def _pieces(kind: str, file: PictureFile) -> Iterator[Piece]:
    count = file.pixels.shape[2]
    colors = tuple(range(min(count, 3)))
    if kind == "basecolor":
        yield Piece(MapKind.BASECOLOR, file, tuple(range(count)))
        return
    if kind in ("normal", "normal_dx"):
        if count < 3:
            raise InvalidRequestError(f"{file.path} is grey: a normal map has three channels", "maps")
        yield Piece(MapKind.NORMAL, file, colors, flip_green=kind == "normal_dx")
    elif kind == "arm" and count >= 3:
        yield from (Piece(packed, file, (i,)) for i, packed in enumerate(PACKED))
    else:
        single = MapKind(kind) if kind in PLAIN else MapKind.ROUGHNESS
        same = all(np.array_equal(file.pixels[..., 0], file.pixels[..., i]) for i in colors[1:])
        yield from [Piece(single, file, colors)] if same else [Piece(single, file, (i,)) for i in colors]
    if count == 4:
        yield Piece(MapKind.ROUGHNESS, file, (3,))


def _groups(pieces: list[Piece]) -> Iterator[list[Piece]]:
    """Each kind at most once in a group, the first group as full as can be."""
    while pieces:
        group: dict[MapKind, Piece] = {}
        rest = []
        for piece in pieces:
            if piece.kind in group:
                rest.append(piece)
            else:
                group[piece.kind] = piece
        yield list(group.values())
        pieces = rest
