# SPDX-License-Identifier: Apache-2.0
"""Texture files on disk as maps for the server, and back: shared by `upscale`, `repair`, `export`
and `check`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError
from texgen.files.material import check_output
from texgen.files.pbr_sets import find_sets, map_word
from texgen.files.picture import PictureFile, check_writable, read_picture
from texgen.maps import MATERIAL_MAPS, MapKind, Pixels

ARM_MAPS = (MapKind.AO, MapKind.ROUGHNESS, MapKind.METALLIC)
"""Maps in the channels of an ARM or ORM file."""
FileSet = dict[str, Path]
"""The files of a texture set by kind of map, as in `texgen.files.pbr_sets.WORDS`."""
PictureSet = list[tuple[str, PictureFile]]
"""The pictures of a texture set with their kinds of map."""


@dataclass(frozen=True)
class FileMap:
    """A map that some channels of a file hold."""

    kind: MapKind
    file: PictureFile
    channels: tuple[int, ...]
    """Channels of the file, in the order of the map's."""
    inverted: tuple[int, ...] = ()
    """Channels of the map that run the other way: green of a DirectX normal map, gloss."""


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the positional argument ``source``, ``--out`` and their options."""
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
        help="folder for the files, flat, under their own names",
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object on stdout, progress on stderr"
    )


def find_texture_sets(source: Path) -> tuple[dict[str, FileSet], list[Path]]:
    """Find the texture sets of a folder, or take one picture as a set.

    Returns the files by name of the set, and the pictures that belong to no set. Raises
    InvalidRequestError.
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


def check_destination(options: argparse.Namespace, names: list[str]) -> None:
    """Refuse file names that clash, and the folder of the originals. Raises InvalidRequestError."""
    if len(set(names)) < len(names):
        double = next(n for n in names if names.count(n) > 1)
        raise InvalidRequestError(
            f"two files are named {double}: their results lie flat in --out; take the folders "
            f"one by one",
            "source",
        )
    originals = options.source if options.source.is_dir() else options.source.parent
    if options.out.resolve() == originals.resolve() and not options.force:
        raise InvalidRequestError(
            f"--out {options.out} is where the originals are: choose another folder", "out"
        )
    check_output(options.out, names, force=options.force)


def read_pictures(files: FileSet) -> PictureSet:
    """Read the files of a set; all can be written again. Raises InvalidRequestError."""
    pictures = [(kind, read_picture(path)) for kind, path in files.items()]
    for _, picture in pictures:
        check_writable(picture)
    return pictures


def write_channels(source: FileMap, pixels: Pixels, target: Pixels) -> None:
    """Write a map (H, W, C) into its channels of a file's pixels; the inverse of `map_pixels`."""
    values: NDArray[np.generic] = pixels.copy() if source.inverted else pixels
    for channel in source.inverted:
        values[..., channel] = np.invert(pixels[..., channel])
    target[..., list(source.channels)] = values[..., : len(source.channels)]


def map_pixels(source: FileMap) -> Pixels:
    """Return a map as the server accepts it, (H, W, C): a grey basecolor becomes three equal
    channels, three equal channels of data become one.
    """
    channels: Pixels = source.file.pixels[..., list(source.channels)]
    pixels = channels.copy()
    for channel in source.inverted:
        pixels[..., channel] = np.invert(pixels[..., channel])
    if source.kind is MapKind.BASECOLOR and pixels.shape[2] == 1:
        return np.concatenate([pixels, pixels, pixels], 2)
    return pixels if source.kind in (MapKind.BASECOLOR, MapKind.NORMAL) else pixels[..., :1]


def split_file(kind: str, file: PictureFile) -> Iterator[FileMap]:
    """Yield the maps that a file holds. Raises InvalidRequestError."""
    count = file.pixels.shape[2]
    colors = tuple(range(min(count, 3)))
    if kind == "basecolor":
        yield FileMap(MapKind.BASECOLOR, file, tuple(range(count)))
        return
    if kind in ("normal", "normal_dx"):
        if count < 3:
            raise InvalidRequestError(
                f"{file.path} is grey: a normal map has three channels", "maps"
            )
        yield FileMap(MapKind.NORMAL, file, colors, (1,) if kind == "normal_dx" else ())
    elif kind == "arm" and count >= 3:
        yield from (FileMap(packed, file, (i,)) for i, packed in enumerate(ARM_MAPS))
    else:
        single = MapKind(kind) if kind in MATERIAL_MAPS else MapKind.ROUGHNESS
        same = all(np.array_equal(file.pixels[..., 0], file.pixels[..., i]) for i in colors[1:])
        inverted = (0,) if kind == "gloss" else ()
        yield from (
            [FileMap(single, file, colors, inverted)]
            if same
            else [FileMap(single, file, (i,), inverted) for i in colors]
        )
    if count == 4:
        yield FileMap(MapKind.ROUGHNESS, file, (3,))


def group_by_kind(sources: Sequence[FileMap]) -> Iterator[list[FileMap]]:
    """Yield groups that hold each kind at most once; the first one is as full as possible."""
    while sources:
        group: dict[MapKind, FileMap] = {}
        rest = []
        for source in sources:
            if source.kind in group:
                rest.append(source)
            else:
                group[source.kind] = source
        yield list(group.values())
        sources = rest
