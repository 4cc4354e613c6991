# SPDX-License-Identifier: Apache-2.0
"""``texgen environment``: generates HDR panoramas that light a scene from classes or a recipe."""

from __future__ import annotations

import argparse

import numpy as np

from texgen.arguments import parse_class_mix, parse_controls
from texgen.commands.shared import (
    Commands,
    add_files,
    add_parser,
    add_signing,
    check_stem,
    load_signer,
    open_client,
    print_paths,
    print_sets,
    progress_line,
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


def add_environment(commands: Commands) -> None:
    """Add ``texgen environment``."""
    parser = add_parser(
        commands,
        "environment",
        "Generate HDR environments and write them as EXR panoramas.",
        "texgen environment --class sunset_sunrise --seed 3 --size 2048 --control "
        "sun_elevation_deg=12 --out skies",
    )
    parser.add_argument(
        "--class",
        dest="classes",
        metavar="MIX",
        help="a class, or a mix such as outdoor_clear=0.7,overcast=0.3",
    )
    parser.add_argument("--seed", type=int, help="a whole number (default: chosen and printed)")
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
    _add_extras(parser)
    add_signing(parser)
    add_files(parser, "environment")
    parser.set_defaults(run=_environment)


def _add_extras(parser: argparse.ArgumentParser) -> None:
    """Add the options for sweeps and for further files."""
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
    classes = dict(parse_class_mix(options.classes)) if options.classes else {}
    recipe = recipe_text(options.recipe) if options.recipe else ""
    seed, sets, signer = options.seed, [], load_signer(options)
    with open_client(options) as client:
        for number, frame in enumerate(frames):
            with progress_line() as show:
                environment = client.generate_environment(
                    classes,
                    seed=seed,
                    width_px=options.size,
                    controls=parse_controls(options.control) | frame,
                    recipe=recipe,
                    model=options.model,
                    on_progress=show,
                )
            # the frames of a sweep are of one place
            seed = seed if options.recipe else environment.seed
            stem = _stem(options, environment.seed, number, len(frames))
            contents = environment_contents(environment, stem, extras, signer)
            paths = write_files(contents, options.out, force=options.force)
            print_paths(options, paths)
            sidecar = environment_sidecar(environment, stem, extras, None)
            sets.append(sidecar | {"paths": [str(p) for p in paths]})
    return print_sets(options, sets)


def _check(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other. Raises InvalidRequestError."""
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
    check_stem(options)


def parse_sweep(text: str, steps: int) -> list[dict[str, float]]:
    """Convert ``"sun_elevation_deg=-5..60"`` to the control's value in each frame.

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
