# SPDX-License-Identifier: Apache-2.0
"""``texgen repair``: makes existing textures tileable, complete and clean.

Files keep their names; maps that were missing are written beside them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from texgen.commands.sets import (
    FileMap,
    FileSet,
    add_source,
    check_destination,
    find_texture_sets,
    group_by_kind,
    is_colour,
    map_pixels,
    print_report,
    read_pictures,
    split_file,
    write_channels,
)
from texgen.commands.shared import (
    Commands,
    add_connection,
    add_parser,
    open_client,
    print_paths,
    print_sets,
    progress_line,
)
from texgen.errors import InvalidRequestError, NotFoundError
from texgen.files.images import decode, encode_png
from texgen.files.material import write_files
from texgen.files.picture import picture_bytes
from texgen.maps import FILLABLE, MAP_SPECS, Encoding, MapKind, MapSet, Tiling

if TYPE_CHECKING:
    from texgen.client import Client


class RepairEntry(TypedDict):
    """The entry of a set in the output of ``--json``."""

    name: str
    paths: list[str]
    repairs: dict[str, list[str]]
    height_range_tiles: float


def add_repair(commands: Commands) -> None:
    """Add ``texgen repair``."""
    parser = add_parser(
        commands,
        "repair",
        "Make texture sets or photographs tileable, compute missing maps, remove JPEG blocks "
        "and noise.",
        "texgen repair photo.jpg --clean --out textures",
    )
    add_source(parser)
    parser.add_argument(
        "--tile",
        choices=tuple(map(str, Tiling)),
        default="auto",
        help="make it tileable: auto where a seam shows (default)",
    )
    parser.add_argument(
        "--fill",
        default="auto",
        metavar="MAPS",
        help=f"missing maps to make: auto (default: all, where a normal or height is there), "
        f"none, all, or some of {','.join(FILLABLE)}",
    )
    parser.add_argument("--clean", action="store_true", help="remove JPEG blocks and noise first")
    parser.add_argument(
        "--class",
        dest="class_name",
        default="",
        metavar="NAME",
        help="class of the texture, such as brick, for better estimates (default: by the name, if "
        "that holds a class)",
    )
    parser.add_argument("--model", default="", metavar="ID", help="default: estimator")
    add_connection(parser)
    parser.set_defaults(run=_repair)


def _repair(options: argparse.Namespace) -> int:
    parse_fill(options.fill, [])
    found = find_texture_sets(options.source)
    work = {name: (files, _single_group(files)) for name, files in found.sets.items()}
    names = [
        n
        for name, (files, sources) in work.items()
        for n in _result_names(name, files, sources, parse_fill(options.fill, sources))
    ]
    check_destination(options, names)
    print_report(found)
    entries = []
    with open_client(options) as client, progress_line() as show:
        classes = _estimator_classes(client, options)
        for name, (files, sources) in work.items():
            fill = parse_fill(options.fill, sources) if classes or options.fill != "auto" else []
            class_name = options.class_name or (guessed_class(name, classes) if fill else "")
            repaired = client.repair(
                {source.kind: map_pixels(source) for source in sources},
                tiling=options.tile,
                clean=options.clean,
                fill=fill,
                class_name=class_name,
                model=options.model,
                encoding=Encoding.RAW,
                on_progress=show,
            )
            contents = _originals(files, sources, repaired) | _additions(name, sources, repaired)
            paths = write_files(contents, options.out, force=options.force)
            print_paths(options, paths)
            _print_steps(options, name, repaired)
            entry = _entry(name, paths, repaired)
            left_out = {str(p): reason for p, reason in found.left_out.items()}
            entries.append({**entry, "class": class_name, "skipped": left_out})
    return print_sets(options, entries)


def _estimator_classes(client: Client, options: argparse.Namespace) -> list[str]:
    """Return the classes of the server's estimator; empty where it has none, and then ``auto``
    fills nothing.
    """
    if options.fill == "none":
        return []
    try:
        return [c.name for c in client.get_model(options.model or "estimator").classes]
    except NotFoundError:
        return []


def guessed_class(name: str, classes: Iterable[str]) -> str:
    """Return the class that a set's name holds as a word (``OldBricks_02`` -> brick); empty for
    none or several.
    """
    words = {word.lower().removesuffix("s") for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    found = [known for known in classes if known.lower().removesuffix("s") in words]
    return found[0] if len(found) == 1 else ""


def parse_fill(text: str, sources: list[FileMap]) -> list[MapKind]:
    """Convert ``"auto"``, ``"all"``, ``"none"`` or ``"normal,ao"`` to maps.

    A colour alone says little about the relief: ``auto`` fills where there is a normal or a height
    map. Raises InvalidRequestError.
    """
    if text == "auto":
        relief = {source.kind for source in sources} & {MapKind.NORMAL, MapKind.HEIGHT}
        return list(FILLABLE) if relief else []
    if text in ("all", "none"):
        return list(FILLABLE) if text == "all" else []
    unknown = [name for name in text.split(",") if name not in FILLABLE]
    if unknown:
        raise InvalidRequestError(
            f"--fill {unknown[0]!r}: allowed are auto, all, none, or some of {', '.join(FILLABLE)}",
            "fill",
        )
    return [kind for kind in FILLABLE if kind in text.split(",")]


def _single_group(files: FileSet) -> list[FileMap]:
    """Return the maps of the files, which go to the server together: all are cut alike.

    Raises InvalidRequestError where one kind comes twice.
    """
    pictures = read_pictures(files)
    first, *rest = group_by_kind([s for kind, file in pictures for s in split_file(kind, file)])
    if rest:
        double = rest[0][0]
        raise InvalidRequestError(
            f"{double.file.path.name} is a second {double.kind} of its set (or has unlike "
            f"channels): repair the set without it",
            "maps",
        )
    return first


def _result_names(
    name: str, files: FileSet, sources: list[FileMap], fill: list[MapKind]
) -> list[str]:
    given = {source.kind for source in sources}
    return [path.name for path in files.values()] + [
        _added_name(name, kind) for kind in fill if kind not in given
    ]


def _added_name(name: str, kind: MapKind) -> str:
    return f"{name}{MAP_SPECS[kind].suffix}.png"


def _originals(files: FileSet, sources: list[FileMap], repaired: MapSet) -> dict[str, bytes]:
    """Return the contents of the given files with their repaired maps."""
    out = {}
    for kind, path in files.items():
        own = [source for source in sources if source.file.path == path]
        pixels = own[0].file.pixels.copy()
        for source in own:
            write_channels(source, decode(repaired.maps[source.kind]), pixels)
        out[path.name] = picture_bytes(pixels, path, srgb=is_colour(kind))
    return out


def _additions(name: str, sources: list[FileMap], repaired: MapSet) -> dict[str, bytes]:
    """Return the contents of the files for maps that were missing."""
    given = {source.kind for source in sources}
    return {
        _added_name(name, kind): encode_png(decode(m), srgb=False)
        for kind, m in repaired.maps.items()
        if kind not in given
    }


def _print_steps(options: argparse.Namespace, name: str, repaired: MapSet) -> None:
    """Print the steps that were done for each map, unless ``--json`` is given."""
    if options.json:
        return
    steps = "; ".join(
        f"{kind} {', '.join(steps) or 'left as it came'}"
        for kind, steps in repaired.repairs.items()
    )
    depth = (
        f"; height range {repaired.height_range_tiles:.3g} of the shorter edge"
        if repaired.height_range_tiles
        else ""
    )
    sys.stderr.write(f"{name}: {steps}{depth}\n")


def _entry(name: str, paths: list[Path], repaired: MapSet) -> RepairEntry:
    return {
        "name": name,
        "paths": [str(p) for p in paths],
        "repairs": {str(kind): list(steps) for kind, steps in repaired.repairs.items()},
        "height_range_tiles": repaired.height_range_tiles,
    }
