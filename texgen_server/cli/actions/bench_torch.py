# SPDX-License-Identifier: Apache-2.0
"""Runs the benches that need torch: ``texgen bench material``, ``upscaler`` and ``gpu``."""

from __future__ import annotations

import argparse
import sys

from texgen_server.bench.gpu import GpuBench, bench_gpu
from texgen_server.bench.material import MaterialBench, bench_material
from texgen_server.bench.report import table
from texgen_server.bench.upscaler import UpscalerBench, bench_upscaler
from texgen_server.cli.numbers import SIZE_MULTIPLE_PX, parse_numbers
from texgen_server.cli.shared import cache_folder


def material(options: argparse.Namespace) -> int:
    """Measure the material model."""
    sizes = parse_numbers(options.sizes, "sizes", SIZE_MULTIPLE_PX)
    batches = parse_numbers(options.batches, "batches", 1)
    chosen = MaterialBench(
        options.models,
        cache_folder() / "graphs",
        sizes,
        batches,
        max(1, options.rounds),
        not options.no_peers,
    )
    sys.stdout.write(table(bench_material(chosen), as_json=options.json))
    return 0


def upscaler(options: argparse.Namespace) -> int:
    """Measure the upscaler."""
    graphs = cache_folder() / "graphs"
    chosen = UpscalerBench(options.models, graphs, options.size, max(1, options.rounds))
    sys.stdout.write(table(bench_upscaler(chosen), as_json=options.json))
    return 0


def gpu(options: argparse.Namespace) -> int:
    """Measure the engine on a CUDA device."""
    sizes = parse_numbers(options.sizes, "sizes", SIZE_MULTIPLE_PX)
    chosen = GpuBench(options.models, cache_folder(), sizes, max(1, options.rounds))
    sys.stdout.write(table(bench_gpu(chosen), as_json=options.json))
    return 0
