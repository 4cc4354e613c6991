# SPDX-License-Identifier: Apache-2.0
"""``texgen mix``: blends materials, transfers a look, paints with a mask, or makes a transition."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from texgen.arguments import parse_controls, parse_size
from texgen.commands.generate import class_stem
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
from texgen.files.material import check_output, recipe_text

if TYPE_CHECKING:
    from texgen.client import Client
    from texgen.wire.assembly import OnProgress

PHOTO_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


def add_mix(commands: Commands) -> None:
    """Add ``texgen mix``."""
    parser = add_parser(
        commands,
        "mix",
        "Mix materials: blend them, give one the look of another, paint with them, or make a "
        "transition.",
        "texgen mix textures/brick_7.json textures/rock_3.json --weights 0.6,0.4 --out textures",
    )
    parser.add_argument(
        "recipes",
        nargs="+",
        metavar="TEXT|SIDECAR",
        help="the materials: recipes, or sidecars that hold one",
    )
    parser.add_argument(
        "--weights", metavar="W,W,...", help="one for each material (default: equal)"
    )
    _add_modes(parser)
    parser.add_argument(
        "--control",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="repeatable: controls of the finished maps",
    )
    parser.add_argument("--size", metavar="N|WxH", help="pixels (default: the first material's)")
    add_output(parser)
    parser.set_defaults(run=_mix)


def _add_modes(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose another mode than blending."""
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--look",
        action="append",
        default=[],
        metavar="TEXT|SIDECAR|PHOTO",
        help="layout of the materials, colours and finish of this one",
    )
    kind.add_argument(
        "--mask",
        type=Path,
        metavar="PNG",
        help="grey values choose the material: black the first, white the last",
    )
    kind.add_argument(
        "--transition",
        type=int,
        default=0,
        metavar="N",
        help="N tiles from the first material (left) to the second (right)",
    )


def _mix(options: argparse.Namespace) -> int:
    check_output_options(options)
    size = parse_size(options.size) if options.size else None
    check_output(options.out, [], force=options.force)
    with open_client(options) as client, progress_line() as show:
        looks = [_look(client, options, text, show) for text in options.look]
        recipes = [*(recipe_text(r) for r in options.recipes), *looks]
        materials = client.mix(
            list(zip(recipes, _weights(options, len(recipes)), strict=True)),
            _mode(options),
            mask=read_file(options.mask, "mask") if options.mask else b"",
            steps=options.transition,
            size_px=size,
            controls=parse_controls(options.control),
            on_progress=show,
            model=options.model,
            encoding=requested_encoding(options),
        )
    stem = options.name or f"{class_stem(options, materials[0])}_mix_{materials[0].seed}"
    stems = (
        [stem] if len(materials) == 1 else [f"{stem}_{i + 1:02d}" for i in range(len(materials))]
    )
    return print_sets(
        options, [save_material(options, m, s) for m, s in zip(materials, stems, strict=True)]
    )


def _mode(options: argparse.Namespace) -> str:
    """Return the mode of mixing that the options ask for."""
    return (
        "look"
        if options.look
        else "paint"
        if options.mask
        else "transition"
        if options.transition
        else "blend"
    )


def _look(client: Client, options: argparse.Namespace, text: str, show: OnProgress | None) -> str:
    """Return the recipe of a look, which is given as one or captured from a photograph."""
    if Path(text).suffix.lower() not in PHOTO_SUFFIXES:
        return recipe_text(text)
    photo = read_file(Path(text), "photo")
    small = client.capture(photo, size_px=(256, 256), seed=0, model=options.model, on_progress=show)
    return small.recipe


def _weights(options: argparse.Namespace, count: int) -> list[float]:
    if not options.weights:
        return [1.0] * count
    try:
        weights = [float(w) for w in options.weights.split(",")]
    except ValueError as error:
        raise InvalidRequestError(
            f"--weights {options.weights!r}: write numbers, such as 0.6,0.4", "weights"
        ) from error
    if len(weights) != count:
        raise InvalidRequestError(
            f"--weights has {len(weights)} numbers for {count} materials: give one for each",
            "weights",
        )
    return weights
