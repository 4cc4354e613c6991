# SPDX-License-Identifier: Apache-2.0
"""Parsers of ``texgen bank``."""

from __future__ import annotations

from pathlib import Path

from texgen.commands.shared import Commands, add_parser
from texgen_server.cli.shared import action


def add_bank(commands: Commands) -> None:
    """Add ``texgen bank``."""
    parser = add_parser(
        commands,
        "bank",
        "Prepare exemplars for the bank.",
        "texgen bank prepare --data data --out runs/exemplars",
    )
    kinds = parser.add_subparsers(required=True, metavar="WHAT")
    _add_prepare(kinds)
    _add_build(kinds)


def _add_prepare(kinds: Commands) -> None:
    """Add ``texgen bank prepare``."""
    parser = add_parser(
        kinds,
        "prepare",
        "Resample material scans to their own grids, with heights and normals that agree and "
        "even light.",
        "texgen bank prepare --data data --out runs/exemplars --sheet runs/exemplars",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with materials.csv, families.csv, classes.csv and materials/",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the exemplars; those that are there already are kept",
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (default 2)")
    parser.add_argument(
        "--sheet", type=Path, metavar="DIR", help="write contact sheets of all exemplars into DIR"
    )
    run = action("bank_prepare:prepare", "scipy", "safetensors", extra="train")
    parser.set_defaults(run=run)


def _add_build(kinds: Commands) -> None:
    """Add ``texgen bank build``."""
    parser = add_parser(
        kinds,
        "build",
        "Encode prepared exemplars with a codec into a bank file.",
        "texgen bank build --pack runs/exemplars --data data --codec "
        "runs/codec/codec.safetensors --out bank.safetensors",
    )
    parser.add_argument(
        "--pack",
        type=Path,
        required=True,
        metavar="DIR",
        help="exemplars made by `texgen bank prepare`",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder with families.csv"
    )
    parser.add_argument(
        "--codec", type=Path, required=True, metavar="FILE", help="weights of the codec, frozen"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the bank to write")
    parser.add_argument(
        "--megabytes", type=float, default=40.0, metavar="MIB", help="budget (default 40)"
    )
    parser.add_argument(
        "--held-out", action="store_true", help="leave the validation exemplars out, for evaluation"
    )
    parser.set_defaults(run=action("bank_build:build", "torch", "safetensors", extra="train"))
