# SPDX-License-Identifier: Apache-2.0
"""What `upscale` and `repair` share: somebody's texture files as maps for the server, and the way
back.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from texgen.errors import InvalidRequestError
from texgen.files.pbr_sets import find_sets, map_word
from texgen.files.picture import PictureFile, check_writable, read_picture
from texgen.maps import MapKind, Pixels

PLAIN = {"basecolor", "normal", "roughness", "metallic", "height", "ao"}
PACKED = (MapKind.AO, MapKind.ROUGHNESS, MapKind.METALLIC)
"""Channels of an ARM or ORM file."""
Pictures = list[tuple[str, PictureFile]]
"""Kind of map and file."""


@dataclass(frozen=True)
class Piece:
    """Some channels of a file, as one map for the upscaler."""

    kind: MapKind
    file: PictureFile
    channels: tuple[int, ...]
    inverted: tuple[int, ...] = ()
    """Which of them run the other way: green of a DirectX normal map, gloss."""


def add_source(parser: argparse.ArgumentParser) -> None:
    """The positional argument, ``--out`` and what goes with them."""
    parser.add_argument(
        "source",
        type=Path,
        metavar="DIR|IMAGE",
        help="a folder of texture sets in any common naming, or one picture",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="where the files go, flat, under their own names",
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object on stdout, progress on stderr"
    )


def sets_of(source: Path) -> tuple[dict[str, dict[str, Path]], list[Path]]:
    """Name -> kind of map -> file, and the pictures that belong to no set.

    Raises InvalidRequestError.
    """
    if source.is_file():
        found = map_word(source.stem)
        return {source.stem: {found[1] if found else "basecolor": source}}, []
    if not source.is_dir():
        raise InvalidRequestError(f"{source} is neither a folder nor a file", "source")
    found_sets, nameless = find_sets(source, deep=False)
    if not found_sets:
        raise InvalidRequestError(
            f"no file in {source} is named as a map, such as wood_basecolor.png or "
            f"wood_normal_gl.png",
            "source",
        )
    return {stem: files for (_, stem), files in found_sets.items()}, [
        p for p in nameless if "preview" not in p.stem.lower()
    ]


def check_place(options: argparse.Namespace, names: list[str]) -> None:
    """Refuse names that clash, and the folder of the originals. Raises InvalidRequestError."""
    from texgen.files.material import check_output

    if len(set(names)) < len(names):
        double = next(n for n in names if names.count(n) > 1)
        raise InvalidRequestError(
            f"two files are named {double}: their results lie flat in --out; take the folders "
            f"one by one",
            "source",
        )
    if (
        options.out.resolve()
        == (options.source if options.source.is_dir() else options.source.parent).resolve()
        and not options.force
    ):
        raise InvalidRequestError(
            f"--out {options.out} is where the originals are: choose another folder", "out"
        )
    check_output(options.out, names, force=options.force)


def read_pictures(files: dict[str, Path]) -> Pictures:
    """Read the files of a set, all of which can be written again. Raises InvalidRequestError."""
    pictures = [(kind, read_picture(path)) for kind, path in files.items()]
    for _, picture in pictures:
        check_writable(picture)
    return pictures


def put_back(piece: Piece, made: Any, out: Any) -> None:
    """A finished map (H, W, C) into its channels of a file's pixels."""
    made = made.copy() if piece.inverted else made
    for channel in piece.inverted:
        made[..., channel] = ~made[..., channel]
    out[..., list(piece.channels)] = made[..., : len(piece.channels)]


def taken(piece: Piece) -> Pixels:
    """(H, W, C) as the server takes it: a grey basecolor becomes three equal channels, three equal
    ones of data become one.
    """
    pixels: Any = np.ascontiguousarray(piece.file.pixels[..., list(piece.channels)])
    for channel in piece.inverted:
        pixels[..., channel] = ~pixels[..., channel]
    if piece.kind is MapKind.BASECOLOR and pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, 2)
    result: Pixels = (
        pixels if piece.kind in (MapKind.BASECOLOR, MapKind.NORMAL) else pixels[..., :1]
    )
    return result


def pieces_of(kind: str, file: PictureFile) -> Iterator[Piece]:
    """A file cut into maps. Raises InvalidRequestError."""
    count = file.pixels.shape[2]
    colors = tuple(range(min(count, 3)))
    if kind == "basecolor":
        yield Piece(MapKind.BASECOLOR, file, tuple(range(count)))
        return
    if kind in ("normal", "normal_dx"):
        if count < 3:
            raise InvalidRequestError(
                f"{file.path} is grey: a normal map has three channels", "maps"
            )
        yield Piece(MapKind.NORMAL, file, colors, (1,) if kind == "normal_dx" else ())
    elif kind == "arm" and count >= 3:
        yield from (Piece(packed, file, (i,)) for i, packed in enumerate(PACKED))
    else:
        single = MapKind(kind) if kind in PLAIN else MapKind.ROUGHNESS
        same = all(np.array_equal(file.pixels[..., 0], file.pixels[..., i]) for i in colors[1:])
        inverted = (0,) if kind == "gloss" else ()
        yield from (
            [Piece(single, file, colors, inverted)]
            if same
            else [Piece(single, file, (i,), inverted) for i in colors]
        )
    if count == 4:
        yield Piece(MapKind.ROUGHNESS, file, (3,))


def groups_of(pieces: list[Piece]) -> Iterator[list[Piece]]:
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
