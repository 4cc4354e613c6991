# SPDX-License-Identifier: Apache-2.0
"""``texgen capture``: finds a material that looks like a photograph."""

from __future__ import annotations

import argparse
from pathlib import Path

from texgen.arguments import parse_size
from texgen.commands.shared import (
    Commands,
    add_output,
    add_parser,
    check_output_options,
    open_client,
    print_sets,
    progress_line,
    read_file,
    requested_encoding,
    save_material,
)
from texgen.errors import InvalidRequestError
from texgen.files.material import check_output

HEX_DIGITS = 6
"""Digits of a colour, RRGGBB."""


def add_capture(commands: Commands) -> None:
    """Add ``texgen capture``."""
    parser = add_parser(
        commands,
        "capture",
        "Find a material that looks like a photograph.",
        "texgen capture photo.jpg --size 1024 --out textures --name my_wall",
    )
    parser.add_argument(
        "photo",
        type=Path,
        metavar="PHOTO",
        help="a PNG, JPEG or WebP of a flat, evenly lit surface",
    )
    parser.add_argument(
        "--class",
        dest="class_name",
        default="",
        metavar="NAME",
        help="the class to start from (default: the nearest)",
    )
    parser.add_argument(
        "--palette",
        metavar="RRGGBB,RRGGBB,...",
        help="colours for a grey photograph, darkest first",
    )
    parser.add_argument(
        "--steps", type=int, metavar="N", help="steps of refinement, 0 to 200 (default 100)"
    )
    parser.add_argument("--seed", type=int, help="seed of the noise (default: chosen and printed)")
    parser.add_argument("--size", metavar="N|WxH", help="pixels, multiples of 32 (default 1024)")
    add_output(parser)
    parser.set_defaults(run=_capture)


def _capture(options: argparse.Namespace) -> int:
    check_output_options(options)
    photo = read_file(options.photo, "photo")
    check_output(options.out, [], force=options.force)
    with open_client(options) as client, progress_line() as show:
        material = client.capture(
            photo,
            class_name=options.class_name,
            palette=_palette(options.palette) if options.palette else (),
            seed=options.seed,
            size_px=parse_size(options.size) if options.size else None,
            steps=options.steps,
            on_progress=show,
            model=options.model,
            encoding=requested_encoding(options),
        )
    return print_sets(
        options,
        [
            save_material(
                options, material, options.name or f"capture_{options.photo.stem}_{material.seed}"
            )
        ],
    )


def _palette(text: str) -> list[int]:
    parts = [p.strip().removeprefix("#") for p in text.split(",")]
    if not all(len(p) == HEX_DIGITS for p in parts):
        raise InvalidRequestError(
            f"--palette {text!r}: write colours as RRGGBB, such as 302010,c0a080", "palette"
        )
    try:
        return [int(p, 16) for p in parts]
    except ValueError as error:
        raise InvalidRequestError(
            f"--palette {text!r}: write colours as RRGGBB, such as 302010,c0a080", "palette"
        ) from error
