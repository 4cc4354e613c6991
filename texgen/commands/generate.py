# SPDX-License-Identifier: Apache-2.0
"""``texgen generate``: generates texture sets from classes, a prompt or a recipe."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TypedDict

from texgen.arguments import parse_class_mix, parse_controls, parse_size
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
from texgen.errors import InvalidRequestError, TexgenError
from texgen.files.material import check_output, recipe_text
from texgen.maps import Encoding, Material
from texgen.modelcard import find_card
from texgen.recipes.text import read_recipe

UNSURE_BELOW = 0.3
"""Similarity of a prompt to the class it was given, below which it is called a guess."""


class GenerateArguments(TypedDict):
    """The arguments of `Client.generate` that all materials of one command share."""

    classes: dict[str, float]
    recipe: str
    prompt: str
    size_px: tuple[int, int] | None
    psi: float | None
    controls: dict[str, float]
    window_px: tuple[int, int, int, int] | None
    endless: bool
    detail: str
    mask: bytes
    model: str
    encoding: Encoding


def add_generate(commands: Commands) -> None:
    """Add ``texgen generate``."""
    parser = add_parser(
        commands,
        "generate",
        "Generate materials and write their maps.",
        "texgen generate --class brick=0.7,rock=0.3 --seed 7 --size 1024x512 --control "
        "relief_depth=1.5 --out textures",
    )
    _add_classes(parser)
    _add_sources(parser)
    add_output(parser)
    parser.set_defaults(run=_generate)


def _add_classes(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe a new material."""
    parser.add_argument(
        "--class",
        dest="classes",
        metavar="MIX",
        help="a class, or a mix such as brick=0.7,rock=0.3",
    )
    parser.add_argument("--seed", type=int, help="a whole number (default: chosen and printed)")
    parser.add_argument("--size", metavar="N|WxH", help="pixels, multiples of 32 (default 1024)")
    parser.add_argument(
        "--control",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="repeatable; see 'texgen models show material'",
    )
    parser.add_argument(
        "--psi", type=float, help="truncation: 0 is the class's average, 1 its variety (default 1)"
    )
    parser.add_argument(
        "--count",
        type=int,
        default=1,
        metavar="N",
        help="number of materials, with seeds counting up (default 1)",
    )


def _add_sources(parser: argparse.ArgumentParser) -> None:
    """Add the options for other sources, for parts of a material and for large ones."""
    parser.add_argument(
        "--recipe",
        metavar="TEXT|SIDECAR",
        help="a recipe, or a sidecar that holds one, instead of class and seed",
    )
    parser.add_argument(
        "--prompt",
        metavar="TEXT",
        help='English words instead of a class, such as "mossy old bricks, dark"',
    )
    parser.add_argument(
        "--window",
        metavar="X,Y,WxH",
        help="generate only this part, in pixels; X and Y may be negative",
    )
    parser.add_argument(
        "--endless",
        action="store_true",
        help="place the window in a field that never repeats",
    )
    parser.add_argument(
        "--detail",
        choices=("sr",),
        default="",
        help="sr: generate the maps four times smaller and enlarge them with the upscaler, up to "
        "16384 px",
    )
    parser.add_argument(
        "--mask", type=Path, metavar="PNG", help="the mask of a painted mix's recipe"
    )


def _generate(options: argparse.Namespace) -> int:
    _check(options)
    request = _request(options)
    check_output(options.out, _known_names(options, request["classes"]), force=options.force)
    sets = []
    with open_client(options) as client:
        for number in range(options.count):
            seed = None if options.seed is None else options.seed + number
            with progress_line() as show:
                material = client.generate(**request, seed=seed, on_progress=show)
            _print_prompt_choice(options, material)
            stem = _result_stem(options, request["classes"], material)
            sets.append(save_material(options, material, stem))
    return print_sets(options, sets)


def _check(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other. Raises InvalidRequestError."""
    check_output_options(options)
    if sum(map(bool, (options.classes, options.recipe, options.prompt))) != 1:
        raise InvalidRequestError(
            "give --class (such as --class bark), --prompt or --recipe, one of the three", "classes"
        )
    if options.recipe and (
        options.seed is not None or options.psi is not None or options.control or options.count != 1
    ):
        raise InvalidRequestError(
            "a recipe already says seed, psi, controls: --seed, --psi, --control and --count "
            "do not go with it",
            "recipe",
        )
    if options.name and options.count != 1:
        raise InvalidRequestError(
            "--name goes with one set: without it the seeds tell sets apart", "name"
        )
    if options.count < 1:
        raise InvalidRequestError(f"--count {options.count}: give 1 or more", "count")


def _request(options: argparse.Namespace) -> GenerateArguments:
    return {
        "classes": _sum_weights(parse_class_mix(options.classes)) if options.classes else {},
        "recipe": recipe_text(options.recipe) if options.recipe else "",
        "prompt": options.prompt or "",
        "size_px": parse_size(options.size) if options.size else None,
        "psi": options.psi,
        "controls": parse_controls(options.control),
        "window_px": parse_window(options.window) if options.window else None,
        "endless": options.endless,
        "detail": options.detail,
        "mask": read_file(options.mask, "mask") if options.mask else b"",
        "model": options.model,
        "encoding": requested_encoding(options),
    }


def parse_window(text: str) -> tuple[int, int, int, int]:
    """Convert ``"-100,0,512x256"`` to (x, y, width, height). Raises InvalidRequestError."""
    parts = text.split(",")
    try:
        x, y = int(parts[0]), int(parts[1])
        width, height = parse_size(parts[2])
    except (ValueError, IndexError, InvalidRequestError) as error:
        raise InvalidRequestError(
            f"window {text!r}: write X,Y,WIDTHxHEIGHT, such as 1024,-512,512x512", "window"
        ) from error
    return x, y, width, height


def _print_prompt_choice(options: argparse.Namespace, material: Material) -> None:
    """Print the classes and controls that the server chose for a prompt."""
    choice = material.prompt_choice
    if choice is None or options.json:
        return
    controls = "".join(f", {name} {value:g}" for name, value in choice.controls.items())
    doubt = (
        ""
        if choice.similarity >= UNSURE_BELOW
        else " (unsure: nothing in the model is near to these words)"
    )
    sys.stderr.write(
        f"understood as {', '.join(choice.classes)}, near {choice.material}{controls}{doubt}\n"
    )


def _result_stem(options: argparse.Namespace, classes: dict[str, float], material: Material) -> str:
    if options.name:
        return str(options.name)
    chosen = material.prompt_choice.classes if material.prompt_choice else {}
    return _stem(classes or chosen or recipe_classes(options, material.recipe), material.seed)


def _sum_weights(mix: list[tuple[str, float]]) -> dict[str, float]:
    """Sum the weights of a class that is named twice."""
    totals: dict[str, float] = {}
    for name, weight in mix:
        totals[name] = totals.get(name, 0.0) + weight
    return totals


def _known_names(options: argparse.Namespace, classes: dict[str, float]) -> list[str]:
    """Return the sidecars that this command will write, as far as known before the call."""
    if options.name:
        return [f"{options.name}.json"]
    if options.seed is None or not options.classes:
        return []
    return [f"{_stem(classes, options.seed + n)}.json" for n in range(options.count)]


def _stem(classes: dict[str, float], seed: int) -> str:
    return f"{'-'.join(classes)}_{seed}"


def recipe_classes(options: argparse.Namespace, text: str) -> dict[str, float]:
    """Return the classes of a recipe with weights; "recipe" if its model is not installed here."""
    try:
        return dict(read_recipe(text, find_card(options.model, options.models)).main_classes()) or {
            "capture": 1.0
        }
    except TexgenError:
        return {"recipe": 1.0}


def class_stem(options: argparse.Namespace, material: Material) -> str:
    """Return the classes of a material as the beginning of file names."""
    return "-".join(sorted(recipe_classes(options, material.recipe)))
