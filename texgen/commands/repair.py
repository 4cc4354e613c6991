# SPDX-License-Identifier: Apache-2.0
"""``texgen repair``: somebody's textures made tileable, complete and clean.

Files keep their names; what was missing lies beside them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from texgen.commands.sets import (
    Piece,
    add_source,
    check_place,
    groups_of,
    pieces_of,
    put_back,
    read_pictures,
    sets_of,
    taken,
)
from texgen.commands.shared import (
    add_connection,
    add_parser,
    connected,
    progress_line,
    tell,
    write_paths,
)
from texgen.errors import InvalidRequestError, NotFoundError
from texgen.files.images import decode, encode_png
from texgen.files.material import write_files
from texgen.files.picture import picture_bytes
from texgen.maps import FILLABLE, MAP_SPECS, Encoding, MapKind, Material, Tiling


def add_repair(commands: Any) -> None:
    """``texgen repair``"""
    parser = add_parser(
        commands.add_parser,
        "Make texture sets or photographs tileable, fill missing maps, take JPEG blocks and "
        "noise away.",
        "texgen repair photo.jpg --clean --out textures",
        "repair",
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
    parser.add_argument(
        "--clean", action="store_true", help="take JPEG blocks and noise away first"
    )
    parser.add_argument(
        "--class",
        dest="class_name",
        default="",
        metavar="NAME",
        help="what it shows, such as brick: estimates get better (default: by the name, where "
        "that holds a class)",
    )
    parser.add_argument("--model", default="", metavar="ID", help="default: estimator")
    add_connection(parser)
    parser.set_defaults(run=_repair)


def _repair(options: argparse.Namespace) -> int:
    parse_fill(options.fill, [])
    sets, skipped = sets_of(options.source)
    works = {name: (files, _single_group(files)) for name, files in sets.items()}
    check_place(
        options,
        [
            n
            for name, (files, pieces) in works.items()
            for n in _result_names(name, files, pieces, parse_fill(options.fill, pieces))
        ],
    )
    told = []
    with connected(options) as client, progress_line() as show:
        classes = _estimator_classes(client, options)
        for name, (files, pieces) in works.items():
            maps = {piece.kind: taken(piece) for piece in pieces}
            fill = parse_fill(options.fill, pieces) if classes or options.fill != "auto" else []
            class_name = options.class_name or (guessed_class(name, classes) if fill else "")
            material = client.repair(
                maps,
                tiling=options.tile,
                clean=options.clean,
                fill=fill,
                class_name=class_name,
                model=options.model,
                encoding=Encoding.RAW,
                on_progress=show,
            )
            contents = _originals(files, pieces, material) | _additions(name, pieces, material)
            paths = write_files(contents, options.out, force=options.force)
            write_paths(options, paths)
            told.append(
                _told(options, name, paths, material)
                | {"class": class_name, "skipped": [str(p) for p in skipped]}
            )
    return tell(options, told)


def _estimator_classes(client: Any, options: argparse.Namespace) -> list[str]:
    """What the server's estimator knows; none where it has no estimator, and then `auto` fills
    nothing.
    """
    if options.fill == "none":
        return []
    try:
        return [c.name for c in client.get_model(options.model or "estimator").classes]
    except NotFoundError:
        return []


def guessed_class(name: str, classes: Iterable[str]) -> str:
    """The one class that a set's name holds as a word (``OldBricks_02`` -> brick); empty for none
    or several.
    """
    words = {word.lower().removesuffix("s") for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    found = [known for known in classes if known.lower().removesuffix("s") in words]
    return found[0] if len(found) == 1 else ""


def parse_fill(text: str, pieces: list[Piece]) -> list[MapKind]:
    """``"auto"``, ``"all"``, ``"none"`` or ``"normal,ao"`` -> maps. Raises InvalidRequestError.

    Colour alone says little of relief: ``auto`` fills where there is a normal or a height map.
    """
    if text == "auto":
        return (
            list(FILLABLE)
            if {piece.kind for piece in pieces} & {MapKind.NORMAL, MapKind.HEIGHT}
            else []
        )
    if text in ("all", "none"):
        return list(FILLABLE) if text == "all" else []
    unknown = [name for name in text.split(",") if name not in FILLABLE]
    if unknown:
        raise InvalidRequestError(
            f"--fill {unknown[0]!r}: allowed are auto, all, none, or some of {', '.join(FILLABLE)}",
            "fill",
        )
    return [kind for kind in FILLABLE if kind in text.split(",")]


def _single_group(files: dict[str, Path]) -> list[Piece]:
    """The files as maps that can go together: all are cut alike.

    Raises InvalidRequestError where one kind comes twice.
    """
    first, *rest = list(
        groups_of([piece for kind, file in read_pictures(files) for piece in pieces_of(kind, file)])
    )
    if rest:
        double = rest[0][0]
        raise InvalidRequestError(
            f"{double.file.path.name} is a second {double.kind} of its set (or has unlike "
            f"channels): repair the set without it",
            "maps",
        )
    return first


def _result_names(
    name: str, files: dict[str, Path], pieces: list[Piece], fill: list[MapKind]
) -> list[str]:
    there = {piece.kind for piece in pieces}
    return [path.name for path in files.values()] + [
        _added_name(name, kind) for kind in fill if kind not in there
    ]


def _added_name(name: str, kind: MapKind) -> str:
    return f"{name}{MAP_SPECS[kind].suffix}.png"


def _originals(files: dict[str, Path], pieces: list[Piece], material: Material) -> dict[str, bytes]:
    out = {}
    for kind, path in files.items():
        own = [piece for piece in pieces if piece.file.path == path]
        pixels = own[0].file.pixels.copy()
        for piece in own:
            put_back(piece, decode(material.maps[piece.kind]), pixels)
        out[path.name] = picture_bytes(pixels, path, srgb=kind == "basecolor")
    return out


def _additions(name: str, pieces: list[Piece], material: Material) -> dict[str, bytes]:
    there = {piece.kind for piece in pieces}
    return {
        _added_name(name, kind): encode_png(decode(m), srgb=False)
        for kind, m in material.maps.items()
        if kind not in there
    }


def _told(
    options: argparse.Namespace, name: str, paths: list[Path], material: Material
) -> dict[str, Any]:
    """Say what was done to each map."""
    if not options.json:
        done = "; ".join(
            f"{kind} {', '.join(steps) or 'left as it came'}"
            for kind, steps in material.repairs.items()
        )
        depth = (
            f"; height range {material.height_range_tiles:.3g} of the shorter edge"
            if material.height_range_tiles
            else ""
        )
        sys.stderr.write(f"{name}: {done}{depth}\n")
    return {
        "name": name,
        "paths": [str(p) for p in paths],
        "repairs": {str(kind): list(steps) for kind, steps in material.repairs.items()},
        "height_range_tiles": material.height_range_tiles,
    }
