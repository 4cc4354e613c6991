# SPDX-License-Identifier: Apache-2.0
"""``texgen bench gpu``: sets through the engine, one at a time and many together, beside the
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


@dataclass(frozen=True)
class GpuBench:
    """What the command line says."""

    models: Path | None
    cache: Path
    sizes: tuple[int, ...] = (256, 512, 1024, 2048)
    rounds: int = 5
    device: str = "cuda"
    gemm_edges: tuple[int, ...] = ()


def bench_gpu(options: GpuBench) -> dict[str, Any]:
    """Rows of (size, jobs together) with ms a set, the time its arithmetic takes at the peak, and
    their ratio. Raises LoadError without CUDA.
    """
    if options.device == "cuda" and not torch.cuda.is_available():
        raise LoadError(
            "torch sees no CUDA device here: run this on a machine with one, or 'texgen bench "
            "material' for the CPU"
        )
    card = find_card("material", options.models)
    work = flops_per_pixel(load_material(card))
    peak = gemm_flops_per_s(
        "cuda" if options.device == "cuda" else "cpu",
        arithmetic(options.device, "auto").precision,
        options.gemm_edges,
    )
    engine = LocalEngine(
        ServerConfig(
            models=options.models, device=options.device, cache_folder=options.cache, max_queue=256
        )
    )
    engine.warm()
    rows = []
    for size in options.sizes:
        alone = 0.0
        for together in (n for n in TOGETHER if n * size * size <= 4 << 22):
            spent = _seconds_a_set(engine, card, size, together, options.rounds)
            alone = alone or spent
            least = work * size * size / peak
            rows.append(
                {
                    "size_px": size,
                    "together": together,
                    "ms_per_set": round(spent * 1e3, 2),
                    "gain": round(alone / spent, 2),
                    "ms_at_peak": float(f"{least * 1e3:.3g}"),
                    "share_of_peak": round(least / spent, 3),
                }
            )
    batches = engine.batches()
    engine.close(10.0)
    report = {
        "rows": rows,
        "gemm_peak_tflop_s": round(peak / 1e12, 2),
        "batches": {str(k): v for k, v in sorted(batches.items())},
    }
    if options.device == "cuda":
        report["device"] = torch.cuda.get_device_name()
        report["peak_memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return report


def _seconds_a_set(
    engine: LocalEngine, card: ModelCard, size: int, together: int, rounds: int
) -> float:
    """Median of rounds, after those in which batches are tried."""
    times = []
    for round_number in range(rounds + 2):
        recipes = [
            make_recipe(card, [(card.classes[0].name, 1.0)], 100 * round_number + n, (size, size))
            for n in range(together)
        ]
        started = time.perf_counter()
        for future in [engine.submit("material", MaterialJob(recipe)) for recipe in recipes]:
            future.result()
        times.append((time.perf_counter() - started) / together)
    return median(times[2:])
