# SPDX-License-Identifier: Apache-2.0
"""Runs the benches of the server: ``texgen bench server`` and ``texgen bench batch``."""

from __future__ import annotations

import argparse
import sys

from texgen_server.bench.batch import BatchBench, bench_batch
from texgen_server.bench.options import ServerBench
from texgen_server.bench.report import table
from texgen_server.bench.server import bench_server
from texgen_server.cli.numbers import SIZE_MULTIPLE_PX, parse_numbers
from texgen_server.cli.shared import cache_folder


def server(options: argparse.Namespace) -> int:
    """Measure what the server adds to its networks."""
    chosen = ServerBench(
        options.models,
        cache_folder() / "graphs",
        options.size,
        clients=max(1, options.clients),
        rounds=max(1, options.rounds),
    )
    sys.stdout.write(table(bench_server(chosen), as_json=options.json))
    return 0


def batch(options: argparse.Namespace) -> int:
    """Measure the rate of ``texgen batch``."""
    size = parse_numbers(str(options.size), "size", SIZE_MULTIPLE_PX)[0]
    rounds = max(1, options.rounds)
    chosen = BatchBench(options.models, cache_folder(), size, max(1, options.sets), rounds=rounds)
    sys.stdout.write(table(bench_batch(chosen), as_json=options.json))
    return 0
