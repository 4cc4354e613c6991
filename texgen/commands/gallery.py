# SPDX-License-Identifier: Apache-2.0
"""``texgen gallery``: writes a page that shows a folder of texture sets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from texgen.commands.shared import Commands, add_parser
from texgen.errors import InvalidRequestError
from texgen.gallery.build import write_gallery


def add_gallery(commands: Commands) -> None:
    """Add ``texgen gallery``."""
    parser = add_parser(
        commands,
        "gallery",
        "Write a page that shows the sets of a folder: lit, tiled, on a ball; it opens from "
        "disk, without a network.",
        "texgen gallery build/textures",
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="a folder of texgen's sets; gallery.html and gallery/ are written there",
    )
    parser.add_argument("--title", default="Textures")
    parser.set_defaults(run=_gallery)


def _gallery(options: argparse.Namespace) -> int:
    if not options.folder.is_dir():
        raise InvalidRequestError(f"{options.folder} is no folder", "folder")
    page, skipped = write_gallery(options.folder, options.title)
    sys.stderr.write("".join(f"texgen: left out {why}\n" for why in skipped))
    sys.stdout.write(f"{page}\n")
    return 0
