# SPDX-License-Identifier: Apache-2.0
"""``texgen upscale``: enlarges a folder of texture sets, or one picture.

Files keep their names, channels and bit depth.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from texgen.commands.sets import (
    PictureSet,
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
from texgen.files.images import decode
from texgen.files.material import write_files
from texgen.files.picture import picture_bytes
from texgen.maps import Border, Encoding, Pixels

if TYPE_CHECKING:
    from texgen.client import Client
    from texgen.wire.assembly import OnProgress


def add_upscale(commands: Commands) -> None:
    """Add ``texgen upscale``."""
    parser = add_parser(
        commands,
        "upscale",
        "Enlarge texture sets or pictures 2 or 4 times; seams stay closed, maps stay in agreement.",
        "texgen upscale textures --scale 4 --out textures_4k",
    )
    add_source(parser)
    parser.add_argument(
        "--scale", type=int, choices=(2, 4), default=4, help="how many times larger (default 4)"
    )
    parser.add_argument(
        "--border",
        choices=tuple(map(str, Border)),
        default="wrap",
        help="content beyond the edges: wrap tiles (default), mirror does not, panorama is a sky",
    )
    parser.add_argument("--model", default="", metavar="ID", help="default: upscaler")
    add_connection(parser)
    parser.set_defaults(run=_upscale)


def _upscale(options: argparse.Namespace) -> int:
    found = find_texture_sets(options.source, best=False)
    names = [path.name for files in found.sets.values() for path in files.values()]
    check_destination(options, names)
    print_report(found)
    entries = []
    with open_client(options) as client, progress_line() as show:
        for name, files in found.sets.items():
            enlarged = _enlarge(client, options, read_pictures(files), show)
            contents = {
                path.name: picture_bytes(enlarged.pop(path), path, srgb=is_colour(role))
                for role, path in files.items()
            }
            paths = write_files(contents, options.out, force=options.force)
            print_paths(options, paths)
            entries.append(
                {
                    "name": name,
                    "paths": [str(p) for p in paths],
                    "skipped": {str(p): reason for p, reason in found.left_out.items()},
                }
            )
    return print_sets(options, entries)


def _enlarge(
    client: Client, options: argparse.Namespace, pictures: PictureSet, show: OnProgress | None
) -> dict[Path, Pixels]:
    """Enlarge all files of a set: one map of each kind together, the rest in further calls."""
    out: dict[Path, Pixels] = {f.path: _blank(f.pixels, options.scale) for _, f in pictures}
    sources = [source for kind, file in pictures for source in split_file(kind, file)]
    for group in group_by_kind(sources):
        enlarged = client.upscale(
            {source.kind: map_pixels(source) for source in group},
            options.scale,
            border=options.border,
            model=options.model,
            encoding=Encoding.RAW,
            on_progress=show,
        )
        for source in group:  # 16384 px: one map at a time is enough to hold twice
            pixels = decode(enlarged.maps.pop(source.kind))
            write_channels(source, pixels, out[source.file.path])
    return out


def _blank(pixels: Pixels, scale: int) -> Pixels:
    """Return zeros of the enlarged size."""
    height, width, channels = pixels.shape
    return np.zeros((height * scale, width * scale, channels), pixels.dtype)
