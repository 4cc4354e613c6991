# SPDX-License-Identifier: Apache-2.0
"""``texgen eval``"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from texgen.commands.shared import add_parser
from texgen_server.cli.shared import cache_folder, require


def add_eval(commands: Any) -> None:
    """``texgen eval``"""
    parser = add_parser(
        commands, "eval", "Measure a model.", "texgen eval material --data ../shared/data"
    )
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    material = add_parser(
        kinds,
        "material",
        "Measure the material model against held-out assets.",
        "texgen eval material --data ../shared/data",
    )
    material.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with materials.csv and materials/",
    )
    material.add_argument(
        "--work",
        type=Path,
        default=Path("runs/eval"),
        metavar="DIR",
        help="packed data and pictures (default runs/eval)",
    )
    material.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    material.add_argument("--model", default="material", metavar="ID", help="default: material")
    material.add_argument(
        "--size",
        type=int,
        default=256,
        metavar="PX",
        help="size judged, one tile wide (default 256)",
    )
    material.add_argument("--json", action="store_true", help="one JSON object on stdout")
    material.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="only write the card's pictures into DIR: generated beside real, every class",
    )
    material.add_argument(
        "--blind",
        type=Path,
        metavar="HTML",
        help="only write an offline page: real or generated? which class?",
    )
    material.add_argument(
        "--captures",
        action="store_true",
        help="only judge captures of held-out materials; with --pictures draw them",
    )
    material.add_argument(
        "--controls", action="store_true", help="only sweep the controls and measure what they name"
    )
    material.set_defaults(run=_eval_material)
    _add_stepwise(
        kinds,
        "upscaler",
        "Measure the upscaler on held-out scans beside its peers.",
        keeps="scans and figures, kept as they come",
        draws="crops beside the peers'",
        measure=_measure_upscaler,
    )
    _add_stepwise(
        kinds,
        "estimator",
        "Measure filled maps of held-out materials beside the class mean.",
        keeps="pack",
        draws="filled maps beside real ones",
        measure=_measure_estimator,
    )
    _add_stepwise(
        kinds,
        "environment",
        "Measure how environments light, and how they look, beside held-out maps.",
        keeps="prepared maps",
        draws="each class beside real maps, with relit balls",
        measure=_measure_environment,
    )
    codec = add_parser(
        kinds,
        "codec",
        "Measure a codec on held-out exemplars beside the quantised block transform at equal bits.",
        "texgen eval codec --pack runs/exemplars --codec runs/codec/codec.safetensors "
        "--transform runs/codec/transform.safetensors",
    )
    codec.add_argument(
        "--pack",
        type=Path,
        required=True,
        metavar="DIR",
        help="exemplars made by `texgen bank prepare`",
    )
    codec.add_argument(
        "--codec", type=Path, required=True, metavar="FILE", help="weights of the codec"
    )
    codec.add_argument(
        "--transform",
        type=Path,
        required=True,
        metavar="FILE",
        help="the block transform that it started from",
    )
    codec.add_argument(
        "--grid",
        choices=["small", "own"],
        default="small",
        help="size of the exemplars (default small: about 512 px)",
    )
    codec.add_argument(
        "--noise", action="store_true", help="with the decoder's noise, as it will be served"
    )
    codec.set_defaults(run=_eval_codec)


def _add_stepwise(
    kinds: Any,
    name: str,
    summary: str,
    *,
    keeps: str,
    draws: str,
    measure: Callable[[Any], dict[str, Any]],
) -> None:
    """``texgen eval upscaler``, ``texgen eval estimator``, ``texgen eval environment``."""
    parser = add_parser(kinds, name, summary, f"texgen eval {name} --data ../shared/data")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of the training data"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(f"runs/{name}"),
        metavar="DIR",
        help=f"{keeps} (default runs/{name})",
    )
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    parser.add_argument("--model", default=name, metavar="ID", help=f"default: {name}")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help=f"write {draws} there")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=partial(_eval_stepwise, measure))


def _eval_stepwise(measure: Callable[[Any], dict[str, Any]], options: argparse.Namespace) -> int:
    require("torch", "efficientnet_lite_pytorch", extra="train")
    from texgen_server.training.material.evaluate import report
    from texgen_server.training.runner import StepwiseEval

    chosen = StepwiseEval(
        cache=cache_folder() / "graphs",
        **{k: getattr(options, k) for k in ("data", "work", "model", "models", "pictures")},
    )
    sys.stdout.write(report(measure(chosen), as_json=options.json))
    return 0


def _measure_environment(chosen: Any) -> dict[str, Any]:
    from texgen_server.training.environment.run import measure_environment

    return measure_environment(chosen)


def _measure_estimator(chosen: Any) -> dict[str, Any]:
    from texgen_server.training.estimator.run import measure_estimator

    return measure_estimator(chosen)


def _measure_upscaler(chosen: Any) -> dict[str, Any]:
    from texgen_server.training.upscaler.run import measure_upscaler

    return measure_upscaler(chosen)


def _eval_material(options: argparse.Namespace) -> int:
    require("torch", "efficientnet_lite_pytorch", extra="train")
    from texgen_server.training.material.evaluate import EvalOptions, draw_pictures, report

    chosen = EvalOptions(
        size_px=options.size,
        **{key: getattr(options, key) for key in ("data", "work", "models", "model")},
    )
    if options.pictures and not options.captures:
        draw_pictures(chosen, options.pictures)
    elif options.blind:
        from texgen_server.training.material.blind import write_blind_page

        write_blind_page(chosen, options.blind)
    else:
        sys.stdout.write(report(_measured(options, chosen), as_json=options.json))
    return 0


def _measured(options: argparse.Namespace, chosen: Any) -> dict[str, Any]:
    if options.captures:
        from texgen_server.training.material.evaluate_capture import evaluate_captures

        return evaluate_captures(chosen, options.pictures)
    if options.controls:
        from texgen_server.training.material.evaluate_controls import evaluate_model_controls

        return evaluate_model_controls(chosen.model, chosen.models)
    from texgen_server.training.material.evaluate import evaluate_material

    return evaluate_material(chosen)


def _eval_codec(options: argparse.Namespace) -> int:
    require("torch", "scipy", extra="train")
    from texgen_server.training.codec.report import CodecEval, evaluate_codec

    chosen = CodecEval(
        **{key: getattr(options, key) for key in ("pack", "codec", "transform", "grid", "noise")}
    )
    sys.stdout.write(json.dumps(evaluate_codec(chosen), indent=2) + "\n")
    return 0
