# SPDX-License-Identifier: Apache-2.0
"""Parsers of ``texgen eval``."""

from __future__ import annotations

import argparse
from pathlib import Path

from texgen.commands.shared import Commands, add_parser
from texgen_server.cli.shared import action, add_device, add_json, add_models, add_work

FEATURE_MODULES = ("torch", "efficientnet_lite_pytorch")
"""Modules that measuring in frozen features needs."""


def add_eval(commands: Commands) -> None:
    """Add ``texgen eval``."""
    parser = add_parser(commands, "eval", "Measure a model.", "texgen eval material --data data")
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    _add_material(kinds)
    _add_held_out(
        kinds,
        "upscaler",
        "Measure the upscaler on held-out scans beside its peers.",
        work="scans, and figures as they are measured",
        pictures="crops beside the peers'",
    )
    _add_held_out(
        kinds,
        "estimator",
        "Measure filled maps of held-out materials beside the class mean.",
        work="pack",
        pictures="filled maps beside real ones",
    )
    _add_held_out(
        kinds,
        "environment",
        "Measure how environments light, and how they look, beside held-out maps.",
        work="prepared maps",
        pictures="each class beside real maps, with relit balls",
    )
    _add_codec(kinds)


def _add_material(kinds: Commands) -> None:
    """Add ``texgen eval material``."""
    parser = add_parser(
        kinds,
        "material",
        "Measure the material model against held-out assets.",
        "texgen eval material --data data",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with materials.csv and materials/",
    )
    add_work(parser, "runs/eval", "packed data and pictures")
    add_models(parser)
    parser.add_argument("--model", default="material", metavar="ID", help="default: material")
    parser.add_argument(
        "--size",
        type=int,
        default=256,
        metavar="PX",
        help="size judged, one tile wide (default 256)",
    )
    add_device(parser)
    add_json(parser)
    _add_material_parts(parser)
    parser.set_defaults(run=action("evaluate:material", *FEATURE_MODULES, extra="train"))


def _add_material_parts(parser: argparse.ArgumentParser) -> None:
    """Add options that choose a part of the evaluation of materials."""
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="only write the card's pictures into DIR: generated beside real, every class",
    )
    parser.add_argument(
        "--blind",
        type=Path,
        metavar="HTML",
        help="only write an offline page: real or generated? which class?",
    )
    parser.add_argument(
        "--captures",
        action="store_true",
        help="only judge captures of held-out materials; with --pictures draw them",
    )
    parser.add_argument(
        "--controls",
        action="store_true",
        help="only sweep the controls and measure the attributes that they name",
    )


def _add_held_out(kinds: Commands, name: str, summary: str, *, work: str, pictures: str) -> None:
    """Add ``texgen eval`` for upscaler, estimator and environment."""
    parser = add_parser(kinds, name, summary, f"texgen eval {name} --data data")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of the training data"
    )
    add_work(parser, f"runs/{name}", work)
    add_models(parser)
    parser.add_argument("--model", default=name, metavar="ID", help=f"default: {name}")
    add_device(parser)
    parser.add_argument("--pictures", type=Path, metavar="DIR", help=f"write {pictures} there")
    add_json(parser)
    parser.set_defaults(run=action(f"evaluate:{name}", *FEATURE_MODULES, extra="train"))


def _add_codec(kinds: Commands) -> None:
    """Add ``texgen eval codec``."""
    parser = add_parser(
        kinds,
        "codec",
        "Measure a codec on held-out exemplars beside the quantised block transform at equal bits.",
        "texgen eval codec --pack runs/exemplars --codec runs/codec/codec.safetensors "
        "--transform runs/codec/transform.safetensors",
    )
    parser.add_argument(
        "--pack",
        type=Path,
        required=True,
        metavar="DIR",
        help="exemplars made by `texgen bank prepare`",
    )
    parser.add_argument(
        "--codec", type=Path, required=True, metavar="FILE", help="weights of the codec"
    )
    parser.add_argument(
        "--transform",
        type=Path,
        required=True,
        metavar="FILE",
        help="the block transform that it started from",
    )
    parser.add_argument(
        "--grid",
        choices=["small", "own"],
        default="small",
        help="size of the exemplars (default small: about 512 px)",
    )
    parser.add_argument(
        "--noise", action="store_true", help="with the decoder's noise, as it will be served"
    )
    add_device(parser)
    parser.set_defaults(run=action("evaluate:codec", "torch", "scipy", extra="train"))
