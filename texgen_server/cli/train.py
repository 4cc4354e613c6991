# SPDX-License-Identifier: Apache-2.0
"""Parsers of ``texgen train``."""

from __future__ import annotations

import argparse
from pathlib import Path

from texgen.commands.shared import Commands, add_parser
from texgen_server.cli.shared import action, add_device, add_work

LOSS_MODULES = ("torch", "efficientnet_lite_pytorch")
"""Modules that training a network by frozen features needs."""


def add_train(commands: Commands) -> None:
    """Add ``texgen train``."""
    parser = add_parser(
        commands,
        "train",
        "Train a model.",
        "texgen train material --data data --work runs/material --resume",
    )
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    _add_material(kinds)
    _add_by_steps(
        kinds,
        "upscaler",
        "Train the upscaler.",
        data="folder with materials.csv and materials/",
        work="scans, state, log",
        steps=12000,
        batch="8 crops",
    )
    _add_by_steps(
        kinds,
        "environment",
        "Train the environment model.",
        data="folder with environments.csv and environments/",
        work="prepared maps, state, log",
        steps=6000,
        batch="6 windows",
    )
    _add_by_steps(
        kinds,
        "estimator",
        "Train the estimator of missing maps.",
        data="folder with materials.csv and materials/",
        work="pack, state, log",
        steps=3000,
        batch="8 pictures",
    )
    _add_codec(kinds)
    _add_curves(kinds)


def _add_material(kinds: Commands) -> None:
    """Add ``texgen train material``."""
    parser = add_parser(
        kinds,
        "material",
        "Train the material model.",
        "texgen train material --data data --work runs/material",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with materials.csv and materials/, or your own sets in ambientCG, Poly "
        "Haven or texgen naming, by class in folders",
    )
    add_work(parser, "runs/material", "state, log and samples")
    _add_resume(parser)
    parser.add_argument(
        "--init",
        type=Path,
        metavar="DIR",
        help="start from the weights of a model folder, such as models/material",
    )
    _add_material_schedule(parser)
    add_device(parser)
    _add_export(parser, "averaged weights", ", or at once with --stages 0:0")
    parser.set_defaults(run=action("train:material", *LOSS_MODULES, extra="train", tuned=True))


def _add_material_schedule(parser: argparse.ArgumentParser) -> None:
    """Add what shapes a run of the material model."""
    parser.add_argument(
        "--stages",
        default="128:60000,256:10000",
        help="SIZE:IMAGES,... (default 128:60000,256:10000)",
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=16,
        metavar="N",
        help="images per step over all workers (default 16)",
    )
    parser.add_argument(
        "--loss",
        dest="game",
        choices=["relativistic", "hinge", "wgan-gp"],
        default="relativistic",
        help="adversarial loss (default relativistic)",
    )
    parser.add_argument(
        "--materials",
        type=int,
        default=0,
        metavar="N",
        help="train on a fixed choice of N materials only, to compare runs",
    )


def _add_by_steps(
    kinds: Commands, name: str, summary: str, *, data: str, work: str, steps: int, batch: str
) -> None:
    """Add ``texgen train`` for a model that is trained by steps: upscaler, environment,
    estimator.
    """
    parser = add_parser(kinds, name, summary, f"texgen train {name} --data data --work runs/{name}")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help=data)
    add_work(parser, f"runs/{name}", work)
    parser.add_argument(
        "--steps",
        type=int,
        default=steps,
        metavar="N",
        help=f"updates of {batch} each, over all sessions (default {steps})",
    )
    _add_resume(parser)
    add_device(parser)
    _add_export(parser, "averaged weights")
    parser.set_defaults(run=action(f"train:{name}", *LOSS_MODULES, extra="train", tuned=True))


def _add_resume(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--resume", action="store_true", help="go on from the state in --work")


def _add_export(parser: argparse.ArgumentParser, weights: str, more: str = "") -> None:
    parser.add_argument(
        "--export",
        type=Path,
        metavar="DIR",
        help=f"write the {weights} as a model folder when done{more}",
    )
    parser.add_argument("--version", default="0.1.0", help="version of the exported model")


def _add_codec(kinds: Commands) -> None:
    """Add ``texgen train codec``."""
    parser = add_parser(
        kinds,
        "codec",
        "Train the codec of the exemplar bank.",
        "texgen train codec --pack runs/exemplars --work runs/codec --codec-minutes 60",
    )
    parser.add_argument(
        "--pack", type=Path, metavar="DIR", help="exemplars made by `texgen bank prepare`"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="instead of --pack: scans, prepared in memory"
    )
    add_work(parser, "runs/codec", "weights, states, log, sheets")
    parser.add_argument(
        "--index-maps",
        type=Path,
        metavar="FILE",
        help="re-laid index maps by asset id, for the second phase",
    )
    parser.add_argument("--init", type=Path, metavar="FILE", help="start from these codec weights")
    parser.add_argument("--resume", action="store_true", help="go on from the states in --work")
    _add_codec_schedule(parser)
    add_device(parser)
    parser.add_argument(
        "--jobs", type=int, default=2, metavar="N", help="processes that read pictures (default 2)"
    )
    parser.set_defaults(run=action("train:codec", "torch", "scipy", extra="train", tuned=True))


def _add_codec_schedule(parser: argparse.ArgumentParser) -> None:
    """Add what shapes a run of the codec."""
    for phase, minutes, text in (
        ("codec", 60.0, "first phase: reconstruction and rate"),
        ("joins", 30.0, "second phase: grain and joins"),
    ):
        parser.add_argument(
            f"--{phase}-minutes",
            type=float,
            default=minutes,
            metavar="M",
            help=f"{text} (default {minutes:g}; 0 skips it)",
        )
    parser.add_argument(
        "--batch", type=int, default=8, metavar="N", help="crops a step (default 8)"
    )
    parser.add_argument(
        "--crop", type=int, default=128, metavar="PX", help="edge of a crop (default 128)"
    )
    parser.add_argument(
        "--lr", type=float, default=6e-4, help="learning rate of the first phase (default 0.0006)"
    )
    parser.add_argument(
        "--adversarial",
        type=float,
        default=0.035,
        help="weight of the discriminator (default 0.035)",
    )
    parser.add_argument(
        "--critic-width",
        type=int,
        default=48,
        metavar="N",
        help="width of the discriminator (default 48)",
    )


def _add_curves(kinds: Commands) -> None:
    """Add ``texgen train curves``."""
    parser = add_parser(
        kinds,
        "curves",
        "Draw the curves of training logs.",
        "texgen train curves runs/a runs/b --out curves.png",
    )
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="folders of runs (their --work); named by the folder",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PNG", help="the picture to write"
    )
    parser.set_defaults(run=action("curves:draw"))
