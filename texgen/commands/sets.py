# SPDX-License-Identifier: Apache-2.0
"""Texture files on disk as maps for the server, and back: shared by `upscale`, `repair`, `export`
and `check`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError
from texgen.files.material import check_output
from texgen.files.picture import PictureFile, check_writable
from texgen.inputs.conventions import UNUSED, conventions, map_of_role
from texgen.inputs.names import read_name
from texgen.inputs.pictures import read_picture_file
from texgen.inputs.places import unpack
from texgen.inputs.sets import Inventory, TextureSet, find_sets
from texgen.maps import MATERIAL_MAPS, MapKind, Pixels

FileSet = dict[str, Path]
"""The files of a texture set by role (see `texgen.inputs.conventions`); the role of a further
variant is followed by a colon and its name.
"""
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
        metavar="DIR|ZIP|IMAGE",
        help="a folder or .zip of texture sets in any common naming, or one picture",
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


@dataclass(frozen=True)
class FoundSets:
    """The texture sets of a source."""

    sets: dict[str, FileSet]
    """Files by name of the set; a lone picture is a set of a basecolor."""
    left_out: dict[Path, str]
    """Files that are not used, with the reasons."""

    def report(self) -> Iterator[str]:
        """Yield a line for each file: what it is read as, or why it is left out."""
        for name, files in self.sets.items():
            for role, path in files.items():
                yield f"{path.name}: {role} of {name}"
        for path, reason in self.left_out.items():
            yield f"{path.name}: left out, {reason}"


def find_texture_sets(source: Path, *, best: bool = True) -> FoundSets:
    """Find the texture sets of a folder or zip archive, or take one picture as a set.

    ``best``: of several sources of one map the best is taken and the others are left out.
    Otherwise all files that hold maps are taken. Raises InvalidRequestError.
    """
    if source.is_file() and source.suffix.lower() != ".zip":
        named = read_name(source.stem)
        role = named.role if named is not None and named.strong else "basecolor"
        return FoundSets({source.stem: {role: source}}, {})
    if not source.exists():
        raise InvalidRequestError(f"{source} is neither a folder nor a file", "source")
    inventory = find_sets(unpack(source) if source.is_file() else source)
    sets = {found.name: _roles(found, best=best) for found in inventory.sets}
    left_out = _left_out(inventory, sets)
    known = {name.casefold() for name in sets}
    for picture in inventory.pictures:
        if picture.stem.casefold() in known:
            left_out[picture.path] = f"a picture of {picture.stem}, no map of it"
        else:
            sets[picture.stem] = {"basecolor": picture.path}
    sets = {name: files for name, files in sets.items() if files}
    if not sets:
        raise InvalidRequestError(f"no picture in {source} can be used as a map", "source")
    return FoundSets(sets, left_out)


def _roles(found: TextureSet, *, best: bool) -> FileSet:
    """Return the files of a set by role."""
    used = {source.file.source for source in found.maps().values()}
    files: FileSet = {}
    for file in found.files:
        if file.role.startswith(UNUSED) or (best and file.source not in used):
            continue
        files[f"{file.role}:{file.variant}" if file.role in files else file.role] = file.source.path
    return files


def _left_out(inventory: Inventory, sets: dict[str, FileSet]) -> dict[Path, str]:
    """Return the files that no set takes, with the reasons."""
    taken = {path for files in sets.values() for path in files.values()}
    return {
        entry.source.path: entry.reason
        for entry in inventory.all_left_out()
        if entry.source.path not in taken
    }


def print_report(found: FoundSets) -> None:
    """Print on stderr what each file is read as, or why it is left out."""
    for line in found.report():
        sys.stderr.write(line + "\n")


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


def is_colour(role: str) -> bool:
    """Return whether the files of a role hold colour, not data."""
    return role.partition(":")[0] == "basecolor"


def read_pictures(files: FileSet) -> PictureSet:
    """Read the files of a set; all can be written again. Raises InvalidRequestError."""
    pictures = [
        (role, read_picture_file(path, colour=is_colour(role))) for role, path in files.items()
    ]
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


def split_file(role: str, file: PictureFile) -> Iterator[FileMap]:
    """Yield the maps that a file holds, all its channels. Raises InvalidRequestError."""
    role = role.partition(":")[0]
    count = file.pixels.shape[2]
    colors = tuple(range(min(count, 3)))
    packing = conventions().packings.get(role, {})
    if role == "basecolor":
        yield FileMap(MapKind.BASECOLOR, file, tuple(range(count)))
        return
    if role in ("normal", "normal_gl", "normal_dx"):
        if count < 3:
            raise InvalidRequestError(
                f"{file.path} is grey: a normal map has three channels", "maps"
            )
        yield FileMap(MapKind.NORMAL, file, colors, (1,) if role == "normal_dx" else ())
    elif packing and count >= len(packing):
        yield from _unpacked(packing, file)
        return
    else:
        held = map_of_role(role)
        single = MapKind(held) if held in MATERIAL_MAPS else MapKind.ROUGHNESS
        same = all(np.array_equal(file.pixels[..., 0], file.pixels[..., i]) for i in colors[1:])
        inverted = (0,) if role == "gloss" else ()
        yield from (
            [FileMap(single, file, colors, inverted)]
            if same
            else [FileMap(single, file, (i,), inverted) for i in colors]
        )
    if count == 4:
        yield FileMap(MapKind.ROUGHNESS, file, (3,))


def _unpacked(packing: Mapping[str, str], file: PictureFile) -> Iterator[FileMap]:
    """Yield the maps of a packing; a channel that holds none of ours is treated as roughness."""
    for index, letter in enumerate("rgba"[: file.pixels.shape[2]]):
        held = packing.get(letter, "roughness")
        yield FileMap(MapKind(map_of_role(held)), file, (index,), (0,) if held == "gloss" else ())


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
