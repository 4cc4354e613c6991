# SPDX-License-Identifier: Apache-2.0
"""``texgen environment``: classes or a recipe -> HDR panoramas that light a scene."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from texgen.arguments import parse_class_mix, parse_controls
from texgen.commands.shared import (
    add_files,
    add_parser,
    add_signing,
    check_name,
    connected,
    progress_line,
    signer_of,
    tell,
    write_paths,
)
from texgen.errors import InvalidRequestError
from texgen.files.environment import (
    Extras,
    environment_contents,
    environment_names,
    environment_sidecar,
)
from texgen.files.material import check_output, recipe_text, write_files

MAX_STEPS = 1000


def add_environment(commands: Any) -> None:
    """``texgen environment``"""
    parser = add_parser(
        commands.add_parser,
        "Generate HDR environments and write them as EXR panoramas.",
        "texgen environment --class sunset_sunrise --seed 3 --size 2048 --control "
        "sun_elevation_deg=12 --out skies",
        "environment",
    )
    parser.add_argument(
        "--class",
        dest="classes",
        metavar="MIX",
        help="a class, or a mix such as outdoor_clear=0.7,overcast=0.3",
    )
    parser.add_argument(
        "--seed", type=int, help="a whole number; without it one is chosen and told"
    )
    parser.add_argument(
        "--size",
        type=int,
        default=0,
        metavar="N",
        help="width in pixels, twice the height: 1024, 2048, 4096, 8192 (default 1024)",
    )
    parser.add_argument(
        "--control",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="repeatable; see 'texgen models show environment'",
    )
    parser.add_argument(
        "--recipe",
        metavar="TEXT|SIDECAR",
        help="a recipe, or a sidecar that holds one, instead of class and seed",
    )
    parser.add_argument(
        "--sweep", metavar="NAME=A..B", help="a control from A to B in --steps frames of one place"
    )
    parser.add_argument(
        "--steps", type=int, default=24, metavar="N", help="frames of a sweep (default 24)"
    )
    parser.add_argument("--cubemap", action="store_true", help="also the six faces of a cube")
    parser.add_argument(
        "--ldr",
        action="store_true",
        help="also a PNG skybox, tone-mapped; with --cubemap its faces too",
    )
    parser.add_argument(
        "--irradiance",
        action="store_true",
        help="also a small map of diffuse light, and its harmonics in the sidecar",
    )
    add_signing(parser)
    add_files(parser, "environment")
    parser.set_defaults(run=_environment)


def _environment(options: argparse.Namespace) -> int:
    _check(options)
    frames = parse_sweep(options.sweep, options.steps) if options.sweep else [{}]
    extras = Extras(options.cubemap, options.ldr, options.irradiance)
    if options.name or options.seed is not None:
        stems = [
            _stem(options, options.seed or 0, number, len(frames)) for number in range(len(frames))
        ]
        check_output(
            options.out,
            [name for stem in stems for name in environment_names(stem, extras).values()],
            force=options.force,
        )
    request = {
        "classes": dict(parse_class_mix(options.classes)) if options.classes else {},
        "recipe": recipe_text(options.recipe) if options.recipe else "",
        "width_px": options.size,
        "model": options.model,
    }
    seed, sets, signer = options.seed, [], signer_of(options)
    with connected(options) as client:
        for number, moved in enumerate(frames):
            with progress_line() as show:
                made = client.generate_environment(
                    **request,
                    seed=seed,
                    controls=parse_controls(options.control) | moved,
                    on_progress=show,
                )
            seed = seed if options.recipe else made.seed  # the frames of a sweep are of one place
            stem = _stem(options, made.seed, number, len(frames))
            paths = write_files(
                environment_contents(made, stem, extras, signer), options.out, force=options.force
            )
            write_paths(options, paths)
            sets.append(
                environment_sidecar(made, stem, extras, None) | {"paths": [str(p) for p in paths]}
            )
    return tell(options, sets)


def _check(options: argparse.Namespace) -> None:
    if bool(options.classes) == bool(options.recipe):
        raise InvalidRequestError(
            "give --class (such as --class outdoor_clear) or --recipe, one of the two", "classes"
        )
    if options.recipe and (options.seed is not None or options.control or options.sweep):
        raise InvalidRequestError(
            "a recipe already says seed and controls: --seed, --control and --sweep do not go "
            "with it",
            "recipe",
        )
    check_name(options)


def parse_sweep(text: str, steps: int) -> list[dict[str, float]]:
    """``"sun_elevation_deg=-5..60"`` -> the control's value in each frame.

    Raises InvalidRequestError.
    """
    name, _, reach = text.partition("=")
    first, dots, last = reach.partition("..")
    if not 2 <= steps <= MAX_STEPS:
        raise InvalidRequestError(f"--steps {steps}: a sweep has 2 to {MAX_STEPS} frames", "steps")
    try:
        start, end = float(first), float(last)
    except ValueError as error:
        raise InvalidRequestError(
            f"sweep {text!r}: write NAME=FROM..TO, such as sun_elevation_deg=-5..60", "sweep"
        ) from error
    if not (name.strip() and dots):
        raise InvalidRequestError(
            f"sweep {text!r}: write NAME=FROM..TO, such as sun_elevation_deg=-5..60", "sweep"
        )
    return [{name.strip(): float(value)} for value in np.linspace(start, end, steps)]


def _stem(options: argparse.Namespace, seed: int, number: int, count: int) -> str:
    base = options.name or f"{_class_stem(options)}_{seed}"
    return base if count == 1 else f"{base}_{number + 1:0{len(str(count))}d}"


def _class_stem(options: argparse.Namespace) -> str:
    return (
        "-".join(name for name, _ in parse_class_mix(options.classes))
        if options.classes
        else "environment"
    )
