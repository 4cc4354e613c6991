# SPDX-License-Identifier: Apache-2.0
"""``texgen vary``: generates variations of a material."""

from __future__ import annotations

import argparse

from texgen.arguments import parse_size
from texgen.commands.generate import class_stem
from texgen.commands.shared import (
    Commands,
    add_output,
    add_parser,
    check_output_options,
    open_client,
    print_sets,
    progress_line,
    requested_encoding,
    save_material,
)
from texgen.errors import InvalidRequestError
from texgen.files.material import check_output, recipe_text


def add_vary(commands: Commands) -> None:
    """Add ``texgen vary``."""
    parser = add_parser(
        commands,
        "vary",
        "Generate variations of a material.",
        "texgen vary textures/bark_7.json --amount 0.3 --count 4 --lock layout --out textures",
    )
    parser.add_argument(
        "recipe", metavar="TEXT|SIDECAR", help="the material: a recipe, or a sidecar that holds one"
    )
    parser.add_argument(
        "--amount",
        type=float,
        default=0.5,
        help="0 is the same, 1 as far as another seed (default 0.5)",
    )
    parser.add_argument(
        "--lock",
        action="append",
        default=[],
        metavar="WHAT",
        help="keep layout, colour or relief; repeatable",
    )
    parser.add_argument(
        "--count",
        type=int,
        default=1,
        metavar="N",
        help="number of materials, with seeds counting up (default 1)",
    )
    parser.add_argument("--seed", type=int, help="seed of the first (default: chosen and printed)")
    parser.add_argument("--size", metavar="N|WxH", help="pixels (default: the recipe's)")
    add_output(parser)
    parser.set_defaults(run=_vary)


def _vary(options: argparse.Namespace) -> int:
    check_output_options(options)
    if options.count < 1:
        raise InvalidRequestError(f"--count {options.count}: give 1 or more", "count")
    recipe = recipe_text(options.recipe)
    check_output(options.out, [], force=options.force)
    with open_client(options) as client, progress_line() as show:
        materials = client.vary(
            recipe,
            options.amount,
            locks=options.lock,
            count=options.count,
            seed=options.seed,
            size_px=parse_size(options.size) if options.size else None,
            on_progress=show,
            model=options.model,
            encoding=requested_encoding(options),
        )
    stem = options.name or f"{class_stem(options, materials[0])}_vary"
    return print_sets(options, [save_material(options, m, f"{stem}_{m.seed}") for m in materials])
