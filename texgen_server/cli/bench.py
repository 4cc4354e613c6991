# SPDX-License-Identifier: Apache-2.0
"""Parsers of ``texgen bench``."""

from __future__ import annotations

import argparse

from texgen.commands.shared import Commands, add_parser
from texgen_server.cli.shared import action, add_json, add_models

SIZES = "256,512,1024,2048"


def add_bench(commands: Commands) -> None:
    """Add ``texgen bench``."""
    parser = add_parser(
        commands,
        "bench",
        "Measure speed, as ratios within one run.",
        "texgen bench material --sizes 256,1024",
    )
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    _add_material(kinds)
    _add_upscaler(kinds)
    _add_gpu(kinds)
    _add_server(kinds)
    _add_batch(kinds)


def _add_material(kinds: Commands) -> None:
    """Add ``texgen bench material``."""
    parser = add_parser(
        kinds,
        "material",
        "Measure the material model beside its peers.",
        "texgen bench material --sizes 256,1024",
    )
    add_models(parser)
    _add_sizes(parser)
    parser.add_argument(
        "--batches", default="1,8", metavar="N,N", help="sets at a time (default 1,8)"
    )
    _add_rounds(parser, 5)
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    add_json(parser)
    parser.set_defaults(run=action("bench_torch:material", "torch", extra="bench"))


def _add_upscaler(kinds: Commands) -> None:
    """Add ``texgen bench upscaler``."""
    parser = add_parser(
        kinds,
        "upscaler",
        "Measure the upscaler beside Real-ESRGAN's arithmetic.",
        "texgen bench upscaler --size 1024",
    )
    _add_size(parser, 1024, "edge of the small maps")
    _add_rounds(parser, 3)
    add_models(parser)
    add_json(parser)
    parser.set_defaults(run=action("bench_torch:upscaler", "torch", extra="bench"))


def _add_gpu(kinds: Commands) -> None:
    """Add ``texgen bench gpu``."""
    parser = add_parser(
        kinds,
        "gpu",
        "Measure the engine on a CUDA device beside its peak.",
        "texgen bench gpu --sizes 256,1024",
    )
    add_models(parser)
    _add_sizes(parser)
    _add_rounds(parser, 5)
    add_json(parser)
    parser.set_defaults(run=action("bench_torch:gpu", "torch", extra="gpu"))


def _add_server(kinds: Commands) -> None:
    """Add ``texgen bench server``."""
    parser = add_parser(
        kinds,
        "server",
        "Measure what the server adds to its networks.",
        "texgen bench server --clients 16",
    )
    _add_size(parser, 1024, "edge of one set for one client")
    parser.add_argument(
        "--clients",
        type=int,
        default=16,
        metavar="N",
        help="clients at a time, for sets of 256 px (default 16)",
    )
    _add_rounds(parser, 7)
    add_models(parser)
    add_json(parser)
    parser.set_defaults(run=action("bench_server:server"))


def _add_batch(kinds: Commands) -> None:
    """Add ``texgen bench batch``."""
    parser = add_parser(
        kinds,
        "batch",
        "Measure what texgen batch leaves of the engine's rate.",
        "texgen bench batch --size 512",
    )
    _add_size(parser, 512, "edge of the sets")
    parser.add_argument(
        "--sets", type=int, default=40, metavar="N", help="sets in a round (default 40)"
    )
    _add_rounds(parser, 3)
    add_models(parser)
    add_json(parser)
    parser.set_defaults(run=action("bench_server:batch"))


def _add_sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sizes", default=SIZES, metavar="PX,PX", help=f"edges (default {SIZES})")


def _add_size(parser: argparse.ArgumentParser, default: int, text: str) -> None:
    parser.add_argument(
        "--size", type=int, default=default, metavar="PX", help=f"{text} (default {default})"
    )


def _add_rounds(parser: argparse.ArgumentParser, default: int) -> None:
    parser.add_argument(
        "--rounds",
        type=int,
        default=default,
        metavar="N",
        help=f"rounds, whose median counts (default {default})",
    )
