# SPDX-License-Identifier: Apache-2.0
"""``texgen upscale``: larger maps of a folder of sets, or of one picture.

Files keep their names, channels and bit depth.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from texgen.commands.sets import (
    Pictures,
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
from texgen.files.images import decode
from texgen.files.material import write_files
from texgen.files.picture import picture_bytes
from texgen.maps import Border, Encoding


def add_upscale(commands: Any) -> None:
    """``texgen upscale``"""
    parser = add_parser(
        commands.add_parser,
        "Enlarge texture sets or pictures 2 or 4 times; seams stay closed, maps stay in agreement.",
        "texgen upscale textures --scale 4 --out textures_4k",
        "upscale",
    )
    add_source(parser)
    parser.add_argument(
        "--scale", type=int, choices=(2, 4), default=4, help="how many times larger (default 4)"
    )
    parser.add_argument(
        "--border",
        choices=tuple(map(str, Border)),
        default="wrap",
        help="what lies beyond the edges: wrap tiles (default), mirror does not, panorama is a sky",
    )
    parser.add_argument("--model", default="", metavar="ID", help="default: upscaler")
    add_connection(parser)
    parser.set_defaults(run=_upscale)


def _upscale(options: argparse.Namespace) -> int:
    sets, skipped = sets_of(options.source)
    check_place(options, [path.name for files in sets.values() for path in files.values()])
    told = []
    with connected(options) as client, progress_line() as show:
        for name, files in sets.items():
            made = _enlarge(client, options, read_pictures(files), show)
            contents = {
                path.name: picture_bytes(made.pop(path), path, srgb=kind == "basecolor")
                for kind, path in files.items()
            }
            paths = write_files(contents, options.out, force=options.force)
            write_paths(options, paths)
            told.append(
                {
                    "name": name,
                    "paths": [str(p) for p in paths],
                    "skipped": [str(p) for p in skipped],
                }
            )
    return tell(options, told)


def _enlarge(
    client: Any, options: argparse.Namespace, files: Pictures, show: Any
) -> dict[Path, Any]:
    """All files of a set: what can go together goes together, the rest follows alone."""
    scale = options.scale
    out: dict[Path, Any] = {
        f.path: np.zeros(
            (f.pixels.shape[0] * scale, f.pixels.shape[1] * scale, f.pixels.shape[2]),
            f.pixels.dtype,
        )
        for _, f in files
    }
    for group in groups_of([piece for kind, file in files for piece in pieces_of(kind, file)]):
        maps = {piece.kind: taken(piece) for piece in group}
        made = client.upscale(
            maps,
            scale,
            border=options.border,
            model=options.model,
            encoding=Encoding.RAW,
            on_progress=show,
        )
        for piece in group:
            put_back(
                piece, decode(made.maps.pop(piece.kind)), out[piece.file.path]
            )  # 16384 px: one map at a time is enough to hold twice
    return out
