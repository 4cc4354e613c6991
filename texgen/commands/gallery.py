# SPDX-License-Identifier: Apache-2.0
"""``texgen gallery``: a folder of texture sets -> a page to look at them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from texgen.commands.shared import add_parser
from texgen.errors import InvalidRequestError
from texgen.gallery.build import write_gallery


def add_gallery(commands: Any) -> None:
    """``texgen gallery``"""
    parser = add_parser(
        commands.add_parser,
        "Write a page that shows the sets of a folder: lit, tiled, on a ball; it opens from "
        "disk, without a network.",
        "texgen gallery build/textures",
        "gallery",
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
