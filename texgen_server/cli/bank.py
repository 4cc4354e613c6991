# SPDX-License-Identifier: Apache-2.0
"""``texgen bank``"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from texgen.commands.shared import add_parser
from texgen_server.cli.shared import require


def add_bank(commands: Any) -> None:
    """``texgen bank``"""
    parser = add_parser(
        commands,
        "bank",
        "Prepare exemplars for the bank.",
        "texgen bank prepare --data ../shared/data --out runs/exemplars",
    )
    kinds = parser.add_subparsers(required=True, metavar="WHAT")
    prepare = add_parser(
        kinds,
        "prepare",
        "Resample material scans to their own grids, with heights and normals that agree and "
        "even light.",
        "texgen bank prepare --data ../shared/data --out runs/exemplars --sheet runs/exemplars",
    )
    prepare.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with materials.csv, families.csv, classes.csv and materials/",
    )
    prepare.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="where exemplars go; those that are there already are kept",
    )
    prepare.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (default 2)")
    prepare.add_argument(
        "--sheet", type=Path, metavar="DIR", help="write contact sheets of all exemplars into DIR"
    )
    prepare.set_defaults(run=_prepare)
    build = add_parser(
        kinds,
        "build",
        "Encode prepared exemplars with a codec into a bank file.",
        "texgen bank build --pack runs/exemplars --data ../shared/data --codec "
        "runs/codec/codec.safetensors --out bank.safetensors",
    )
    build.add_argument(
        "--pack",
        type=Path,
        required=True,
        metavar="DIR",
        help="exemplars made by `texgen bank prepare`",
    )
    build.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder with families.csv"
    )
    build.add_argument(
        "--codec", type=Path, required=True, metavar="FILE", help="weights of the codec, frozen"
    )
    build.add_argument("--out", type=Path, required=True, metavar="FILE", help="the bank to write")
    build.add_argument(
        "--megabytes", type=float, default=40.0, metavar="MIB", help="budget (default 40)"
    )
    build.add_argument(
        "--held-out", action="store_true", help="leave the validation exemplars out, for evaluation"
    )
    build.set_defaults(run=_build)


def _prepare(options: argparse.Namespace) -> int:
    require("scipy", "safetensors", extra="train")
    from rich.console import Console
    from rich.progress import Progress

    from texgen_server.training.exemplars.pack import prepare_pack, read_pack
    from texgen_server.training.exemplars.sheet import write_sheets

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("preparing", total=None)
        for number, count, asset_id in prepare_pack(options.data, options.out, options.jobs):
            bar.update(task, completed=number, total=count, description=asset_id)
    if options.sheet is not None:
        write_sheets(read_pack(options.out), options.sheet)
    return 0


def _build(options: argparse.Namespace) -> int:
    require("torch", "safetensors", extra="train")
    import sys

    from texgen_server.training.codec.bank import build_bank
    from texgen_server.training.codec.weights import read_codec
    from texgen_server.training.exemplars.families import read_layouts
    from texgen_server.training.exemplars.pack import read_pack
    from texgen_server.training.exemplars.split import read_validation

    figures = build_bank(
        read_codec(options.codec),
        read_pack(options.pack),
        read_layouts(options.data / "families.csv"),
        options.out,
        without=read_validation() if options.held_out else set(),
        budget=int(options.megabytes * 2**20),
    )
    sys.stdout.write("".join(f"{key} {value}\n" for key, value in figures.items()))
    return 0
