# SPDX-License-Identifier: Apache-2.0
"""``texgen vary``, ``texgen mix``, ``texgen capture``: materials made from materials and
photographs.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from texgen.arguments import parse_controls, parse_size
from texgen.commands.generate import recipe_classes
from texgen.commands.shared import (
    add_output,
    add_parser,
    check_options,
    connected,
    progress_line,
    read_file,
    save,
    tell,
    wanted_encoding,
)
from texgen.errors import InvalidRequestError
from texgen.files.material import check_output, recipe_text
from texgen.maps import Material


def add_vary(commands: Any) -> None:
    """``texgen vary``"""
    parser = add_parser(
        commands.add_parser,
        "Make other members near a material.",
        "texgen vary textures/bark_7.json --amount 0.3 --count 4 --lock layout --out textures",
        "vary",
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
        help="this many, with seeds counting up (default 1)",
    )
    parser.add_argument("--seed", type=int, help="of the first; without it one is chosen and told")
    parser.add_argument("--size", metavar="N|WxH", help="pixels (default: the recipe's)")
    add_output(parser)
    parser.set_defaults(run=_vary)


def add_mix(commands: Any) -> None:
    """``texgen mix``"""
    parser = add_parser(
        commands.add_parser,
        "Mix materials: blend them, give one the look of another, paint with them, lead from "
        "one to the other.",
        "texgen mix textures/brick_7.json textures/rock_3.json --weights 0.6,0.4 --out textures",
        "mix",
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
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--look",
        action="append",
        default=[],
        metavar="TEXT|SIDECAR|PHOTO",
        help="layout of the materials, colours and finish of this",
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


def add_capture(commands: Any) -> None:
    """``texgen capture``"""
    parser = add_parser(
        commands.add_parser,
        "Make a material that looks like a photograph.",
        "texgen capture photo.jpg --size 1024 --out textures --name my_wall",
        "capture",
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
        "--steps", type=int, metavar="N", help="of refinement, 0 to 200 (default 100)"
    )
    parser.add_argument(
        "--seed", type=int, help="of the result's noise; without it one is chosen and told"
    )
    parser.add_argument("--size", metavar="N|WxH", help="pixels, multiples of 32 (default 1024)")
    add_output(parser)
    parser.set_defaults(run=_capture)


def _vary(options: argparse.Namespace) -> int:
    check_options(options)
    if options.count < 1:
        raise InvalidRequestError(f"--count {options.count}: give 1 or more", "count")
    recipe = recipe_text(options.recipe)
    check_output(options.out, [], force=options.force)
    with connected(options) as client, progress_line() as show:
        materials = client.vary(
            recipe,
            options.amount,
            locks=options.lock,
            count=options.count,
            seed=options.seed,
            size_px=parse_size(options.size) if options.size else None,
            on_progress=show,
            **_common(options),
        )
    stem = options.name or f"{_class_stem(options, materials[0])}_vary"
    return tell(options, [save(options, m, f"{stem}_{m.seed}") for m in materials])


def _mix(options: argparse.Namespace) -> int:
    check_options(options)
    size = parse_size(options.size) if options.size else None
    check_output(options.out, [], force=options.force)
    with connected(options) as client, progress_line() as show:
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
            **_common(options),
        )
    stem = options.name or f"{_class_stem(options, materials[0])}_mix_{materials[0].seed}"
    stems = (
        [stem] if len(materials) == 1 else [f"{stem}_{i + 1:02d}" for i in range(len(materials))]
    )
    return tell(options, [save(options, m, s) for m, s in zip(materials, stems, strict=True)])


def _mode(options: argparse.Namespace) -> str:
    return (
        "look"
        if options.look
        else "paint"
        if options.mask
        else "transition"
        if options.transition
        else "blend"
    )


def _look(client: Any, options: argparse.Namespace, text: str, show: Any) -> str:
    """The recipe of a look: given as one, or captured from a photograph."""
    if Path(text).suffix.lower() not in PHOTO_SUFFIXES:
        return recipe_text(text)
    photo = read_file(Path(text), "photo")
    small = client.capture(photo, size_px=(256, 256), seed=0, model=options.model, on_progress=show)
    return str(small.recipe)


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


def _capture(options: argparse.Namespace) -> int:
    check_options(options)
    photo = read_file(options.photo, "photo")
    check_output(options.out, [], force=options.force)
    with connected(options) as client, progress_line() as show:
        material = client.capture(
            photo,
            class_name=options.class_name,
            palette=_palette(options.palette) if options.palette else (),
            seed=options.seed,
            size_px=parse_size(options.size) if options.size else None,
            steps=options.steps,
            on_progress=show,
            **_common(options),
        )
    return tell(
        options,
        [save(options, material, options.name or f"capture_{options.photo.stem}_{material.seed}")],
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


def _common(options: argparse.Namespace) -> dict[str, Any]:
    return {"model": options.model, "encoding": wanted_encoding(options)}


def _class_stem(options: argparse.Namespace, material: Material) -> str:
    return "-".join(sorted(recipe_classes(options, material.recipe)))


PHOTO_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
HEX_DIGITS = 6
