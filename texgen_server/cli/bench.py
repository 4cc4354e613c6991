# SPDX-License-Identifier: Apache-2.0
"""``texgen bench``"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from texgen.commands.shared import add_parser
from texgen.errors import InvalidRequestError
from texgen_server.cli.shared import cache_folder, require


def add_bench(commands: Any) -> None:
    """``texgen bench``"""
    parser = add_parser(
        commands,
        "bench",
        "Measure speed, as ratios within one run.",
        "texgen bench material --sizes 256,1024",
    )
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    material = add_parser(
        kinds,
        "material",
        "Measure the material model beside its peers.",
        "texgen bench material --sizes 256,1024",
    )
    material.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    material.add_argument(
        "--sizes",
        default="256,512,1024,2048",
        metavar="PX,PX",
        help="edges (default 256,512,1024,2048)",
    )
    material.add_argument(
        "--batches", default="1,8", metavar="N,N", help="sets at a time (default 1,8)"
    )
    material.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="medians of this many (default 5)"
    )
    material.add_argument("--no-peers", action="store_true", help="leave the peers out")
    material.add_argument("--json", action="store_true", help="one JSON object on stdout")
    material.set_defaults(run=_bench_material)
    upscaler = add_parser(
        kinds,
        "upscaler",
        "Measure the upscaler beside Real-ESRGAN's arithmetic.",
        "texgen bench upscaler --size 1024",
    )
    upscaler.add_argument(
        "--size", type=int, default=1024, metavar="PX", help="edge of the small maps (default 1024)"
    )
    upscaler.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="medians of N (default 3)"
    )
    upscaler.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    upscaler.add_argument("--json", action="store_true", help="one JSON object")
    upscaler.set_defaults(run=_bench_upscaler)

    gpu = add_parser(
        kinds,
        "gpu",
        "Measure the engine on a CUDA device beside its peak.",
        "texgen bench gpu --sizes 256,1024",
    )
    gpu.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    gpu.add_argument(
        "--sizes",
        default="256,512,1024,2048",
        metavar="PX,PX",
        help="edges (default 256,512,1024,2048)",
    )
    gpu.add_argument("--rounds", type=int, default=5, metavar="N", help="medians of N (default 5)")
    gpu.add_argument("--json", action="store_true", help="one JSON object")
    gpu.set_defaults(run=_bench_gpu)
    server = add_parser(
        kinds,
        "server",
        "Measure what the server adds to its networks.",
        "texgen bench server --clients 16",
    )
    server.add_argument(
        "--size",
        type=int,
        default=1024,
        metavar="PX",
        help="edge of one set for one client (default 1024)",
    )
    server.add_argument(
        "--clients",
        type=int,
        default=16,
        metavar="N",
        help="at a time, for sets of 256 px (default 16)",
    )
    server.add_argument(
        "--rounds", type=int, default=7, metavar="N", help="medians of N (default 7)"
    )
    server.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    server.add_argument("--json", action="store_true", help="one JSON object")
    server.set_defaults(run=_bench_server)
    batch = add_parser(
        kinds,
        "batch",
        "Measure what texgen batch leaves of the engine's rate.",
        "texgen bench batch --size 512",
    )
    batch.add_argument(
        "--size", type=int, default=512, metavar="PX", help="edge of the sets (default 512)"
    )
    batch.add_argument("--sets", type=int, default=40, metavar="N", help="of one turn (default 40)")
    batch.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="medians of N (default 3)"
    )
    batch.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    batch.add_argument("--json", action="store_true", help="one JSON object")
    batch.set_defaults(run=_bench_batch)


def _bench_gpu(options: argparse.Namespace) -> int:
    require("torch", extra="gpu")
    from texgen_server.bench.gpu import GpuBench, bench_gpu
    from texgen_server.bench.report import table

    chosen = GpuBench(
        options.models, cache_folder(), _numbers(options.sizes, "sizes", 32), max(1, options.rounds)
    )
    sys.stdout.write(table(bench_gpu(chosen), as_json=options.json))
    return 0


def _bench_server(options: argparse.Namespace) -> int:
    from texgen_server.bench.report import table
    from texgen_server.bench.server import ServerBench, bench_server

    graphs = cache_folder() / "graphs"
    chosen = ServerBench(
        options.models,
        graphs,
        options.size,
        clients=max(1, options.clients),
        rounds=max(1, options.rounds),
    )
    sys.stdout.write(table(bench_server(chosen), as_json=options.json))
    return 0


def _bench_batch(options: argparse.Namespace) -> int:
    from texgen_server.bench.batch import BatchBench, bench_batch
    from texgen_server.bench.report import table

    size = _numbers(str(options.size), "size", 32)[0]
    chosen = BatchBench(
        options.models, cache_folder(), size, max(1, options.sets), rounds=max(1, options.rounds)
    )
    sys.stdout.write(table(bench_batch(chosen), as_json=options.json))
    return 0


def _bench_upscaler(options: argparse.Namespace) -> int:
    require("torch", extra="bench")
    from texgen_server.bench.report import table
    from texgen_server.bench.upscaler import UpscalerBench, bench_upscaler

    chosen = UpscalerBench(
        options.models, cache_folder() / "graphs", options.size, max(1, options.rounds)
    )
    sys.stdout.write(table(bench_upscaler(chosen), as_json=options.json))
    return 0


def _bench_material(options: argparse.Namespace) -> int:
    require("torch", extra="bench")
    from texgen_server.bench.material import BenchOptions, bench_material
    from texgen_server.bench.report import table

    sizes, batches = _numbers(options.sizes, "sizes", 32), _numbers(options.batches, "batches", 1)
    result = bench_material(
        BenchOptions(
            options.models,
            cache_folder() / "graphs",
            sizes,
            batches,
            max(1, options.rounds),
            not options.no_peers,
        )
    )
    sys.stdout.write(table(result, as_json=options.json))
    return 0


def _numbers(text: str, what: str, step: int) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(p.isdigit() and int(p) and int(p) % step == 0 for p in parts):
        raise InvalidRequestError(
            f"--{what} {text!r}: write multiples of {step}, such as "
            f"{256 if step > 1 else 1},{512 if step > 1 else 8}",
            what,
        )
    return tuple(map(int, parts))
