# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen bench gpu``: sets through the engine, one at a time and many together, beside the
device's own peak in the same run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from texgen.errors import LoadError
from texgen.modelcard import ModelCard, find_card
from texgen.recipes.build import make_recipe
from texgen_server.backends import arithmetic
from texgen_server.bench.clock import gemm_flops_per_s
from texgen_server.bench.material import flops_per_pixel
from texgen_server.config import ServerConfig
from texgen_server.engine.jobs import MaterialJob
from texgen_server.engine.local import LocalEngine
from texgen_server.registry import load_material

TOGETHER = (1, 4, 16)
"""Numbers of jobs at a time."""
MAX_PIXELS = 4 << 22
"""Pixels of all jobs at a time, at most."""
BATCHING_ROUNDS = 2
"""Rounds that do not count, in which the engine tries batches."""


@dataclass(frozen=True)
class GpuBench:
    """The command line of ``texgen bench gpu``."""

    models: Path | None
    cache: Path
    sizes: tuple[int, ...] = (256, 512, 1024, 2048)
    rounds: int = 5
    device: str = "cuda"
    gemm_edges: tuple[int, ...] = ()


def bench_gpu(options: GpuBench) -> dict[str, Any]:
    """Return rows for each size and number of jobs together: ms a set, the time of its arithmetic
    at the peak, and their ratio. Raises LoadError without CUDA.
    """
    on_cuda = options.device == "cuda"
    if on_cuda and not torch.cuda.is_available():
        raise LoadError(
            "torch sees no CUDA device here: run this on a machine with one, or 'texgen bench "
            "material' for the CPU"
        )
    card = find_card("material", options.models)
    work = flops_per_pixel(load_material(card))
    precision = arithmetic(options.device, "auto").precision
    peak = gemm_flops_per_s("cuda" if on_cuda else "cpu", precision, options.gemm_edges)
    config = ServerConfig(
        models=options.models, device=options.device, cache_folder=options.cache, max_queue=256
    )
    engine = LocalEngine(config)
    engine.warm()
    rows: list[dict[str, Any]] = []
    for size in options.sizes:
        rows += _rows(engine, card, size, options.rounds, work * size * size / peak)
    batches = engine.batches()
    engine.close(10.0)
    report: dict[str, Any] = {
        "rows": rows,
        "gemm_peak_tflop_s": round(peak / 1e12, 2),
        "batches": {str(k): v for k, v in sorted(batches.items())},
    }
    if on_cuda:
        report["device"] = torch.cuda.get_device_name()
        report["peak_memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return report


def _rows(
    engine: LocalEngine, card: ModelCard, size: int, rounds: int, peak_s: float
) -> list[dict[str, Any]]:
    """Return the rows of one size; ``peak_s`` is the time of a set's arithmetic at the peak."""
    rows, alone = [], 0.0
    for together in (n for n in TOGETHER if n * size * size <= MAX_PIXELS):
        spent = _seconds_a_set(engine, card, size, together, rounds)
        alone = alone or spent
        rows.append(
            {
                "size_px": size,
                "together": together,
                "ms_per_set": round(spent * 1e3, 2),
                "gain": round(alone / spent, 2),
                "ms_at_peak": float(f"{peak_s * 1e3:.3g}"),
                "share_of_peak": round(peak_s / spent, 3),
            }
        )
    return rows


def _seconds_a_set(
    engine: LocalEngine, card: ModelCard, size: int, together: int, rounds: int
) -> float:
    """Return the median seconds a set over the rounds that count."""
    times = []
    for round_number in range(rounds + BATCHING_ROUNDS):
        recipes = [
            make_recipe(card, [(card.classes[0].name, 1.0)], 100 * round_number + n, (size, size))
            for n in range(together)
        ]
        started = time.perf_counter()
        for future in [engine.submit("material", MaterialJob(recipe)) for recipe in recipes]:
            future.result()
        times.append((time.perf_counter() - started) / together)
    return median(times[BATCHING_ROUNDS:])
