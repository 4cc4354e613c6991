# SPDX-License-Identifier: Apache-2.0
"""``texgen train``"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from texgen.commands.shared import add_parser
from texgen_server.cli.shared import require
from texgen_server.process.settings import tune_this_process


def add_train(commands: Any) -> None:
    """``texgen train``"""
    parser = add_parser(
        commands,
        "train",
        "Train a model.",
        "texgen train material --data ../shared/data --work runs/material --resume",
    )
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    material = add_parser(
        kinds,
        "material",
        "Train the material model.",
        "texgen train material --data ../shared/data --work runs/material",
    )
    material.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with materials.csv and materials/, or your own sets in ambientCG, Poly "
        "Haven or texgen naming, by class in folders",
    )
    material.add_argument(
        "--work",
        type=Path,
        default=Path("runs/material"),
        metavar="DIR",
        help="state, log and samples (default runs/material)",
    )
    material.add_argument("--resume", action="store_true", help="go on from the state in --work")
    material.add_argument(
        "--init",
        type=Path,
        metavar="DIR",
        help="start from the weights of a model folder, such as models/material",
    )
    material.add_argument(
        "--stages",
        default="128:60000,256:10000",
        help="SIZE:IMAGES,... (default 128:60000,256:10000)",
    )
    material.add_argument(
        "--batch",
        type=int,
        default=16,
        metavar="N",
        help="images per step over all workers (default 16)",
    )
    material.add_argument("--device", default="auto", help="auto, cpu, cuda (default auto)")
    material.add_argument(
        "--loss",
        dest="game",
        choices=["relativistic", "hinge", "wgan-gp"],
        default="relativistic",
        help="adversarial loss (default relativistic)",
    )
    material.add_argument(
        "--export",
        type=Path,
        metavar="DIR",
        help="write the EMA weights as a model folder when done, or at once with --stages 0:0",
    )
    material.add_argument("--version", default="0.1.0", help="version of the exported model")
    material.add_argument(
        "--materials",
        type=int,
        default=0,
        metavar="N",
        help="train on a fixed choice of N materials only, to compare runs",
    )
    material.set_defaults(run=_train_material)
    _add_stepwise(
        kinds,
        "upscaler",
        "Train the upscaler.",
        steps=12000,
        each="8 crops",
        keeps="scans",
        run=_train_upscaler,
    )
    _add_stepwise(
        kinds,
        "environment",
        "Train the environment model.",
        steps=6000,
        each="6 windows",
        keeps="prepared maps",
        run=_train_environment,
    )
    _add_stepwise(
        kinds,
        "estimator",
        "Train the estimator of missing maps.",
        steps=3000,
        each="8 pictures",
        keeps="pack",
        run=_train_estimator,
    )
    _add_codec(kinds)
    curves = add_parser(
        kinds,
        "curves",
        "Draw the curves of training logs.",
        "texgen train curves runs/a runs/b --out curves.png",
    )
    curves.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="folders of runs (their --work); named by the folder",
    )
    curves.add_argument(
        "--out", type=Path, required=True, metavar="PNG", help="the picture to write"
    )
    curves.set_defaults(run=_train_curves)


def _add_stepwise(
    kinds: Any,
    name: str,
    summary: str,
    *,
    steps: int,
    each: str,
    keeps: str,
    run: Callable[[Any], None],
) -> None:
    """``texgen train upscaler`` and ``texgen train estimator``."""
    parser = add_parser(
        kinds, name, summary, f"texgen train {name} --data ../shared/data --work runs/{name}"
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with materials.csv and materials/",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(f"runs/{name}"),
        metavar="DIR",
        help=f"{keeps}, state, log (default runs/{name})",
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=steps,
        metavar="N",
        help=f"updates of {each} each, over all sessions (default {steps})",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the state in --work")
    parser.add_argument(
        "--export",
        type=Path,
        metavar="DIR",
        help="write the averaged weights as a model folder when done",
    )
    parser.add_argument("--version", default="0.1.0", help="version of the exported model")
    parser.set_defaults(run=partial(_train_stepwise, run))


def _add_codec(kinds: Any) -> None:
    """``texgen train codec``"""
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
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("runs/codec"),
        metavar="DIR",
        help="weights, states, log, sheets (default runs/codec)",
    )
    parser.add_argument(
        "--index-maps",
        type=Path,
        metavar="FILE",
        help="re-laid index maps by asset id, for the second phase",
    )
    parser.add_argument("--init", type=Path, metavar="FILE", help="start from these codec weights")
    parser.add_argument("--resume", action="store_true", help="go on from the states in --work")
    parser.add_argument(
        "--codec-minutes",
        type=float,
        default=60.0,
        metavar="M",
        help="first phase: reconstruction and rate (default 60; 0 skips it)",
    )
    parser.add_argument(
        "--joins-minutes",
        type=float,
        default=30.0,
        metavar="M",
        help="second phase: grain and joins (default 30; 0 skips it)",
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
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (default auto)")
    parser.add_argument(
        "--jobs", type=int, default=2, metavar="N", help="processes that read pictures (default 2)"
    )
    parser.set_defaults(run=_train_codec)


def _train_codec(options: argparse.Namespace) -> int:
    require("torch", "scipy", extra="train")
    tune_this_process()
    from texgen_server.training.codec.run import CodecRun, train_codec
    from texgen_server.training.codec.settings import CodecConfig

    config = CodecConfig(
        codec_minutes=options.codec_minutes,
        joins_minutes=options.joins_minutes,
        batch=options.batch,
        crop_px=options.crop,
        lr=options.lr,
        adversarial=options.adversarial,
        critic_width=options.critic_width,
    )
    chosen = {
        key: getattr(options, key)
        for key in ("work", "pack", "data", "index_maps", "init", "resume", "device", "jobs")
    }
    train_codec(CodecRun(**chosen), config)
    return 0


def _train_material(options: argparse.Namespace) -> int:
    require("torch", "efficientnet_lite_pytorch", extra="train")
    tune_this_process()
    from texgen_server.training.material.run import RunOptions, parse_stages, train_material

    chosen = {
        key: getattr(options, key)
        for key in (
            "data",
            "work",
            "resume",
            "init",
            "batch",
            "device",
            "export",
            "version",
            "game",
            "materials",
        )
    }
    train_material(RunOptions(stages=parse_stages(options.stages), **chosen))
    return 0


def _train_stepwise(run: Callable[[Any], None], options: argparse.Namespace) -> int:
    require("torch", "efficientnet_lite_pytorch", extra="train")
    tune_this_process()
    from texgen_server.training.runner import StepwiseRun

    run(
        StepwiseRun(
            **{
                key: getattr(options, key)
                for key in ("data", "work", "steps", "resume", "export", "version")
            }
        )
    )
    return 0


def _train_upscaler(run: Any) -> None:
    from texgen_server.training.upscaler.run import train_upscaler

    train_upscaler(run)


def _train_environment(run: Any) -> None:
    from texgen_server.training.environment.run import train_environment

    train_environment(run)


def _train_estimator(run: Any) -> None:
    from texgen_server.training.estimator.run import train_estimator

    train_estimator(run)


def _train_curves(options: argparse.Namespace) -> int:
    from texgen_server.training.curves import draw_curves

    draw_curves({run.name: run / "log.jsonl" for run in options.runs}, options.out)
    return 0
