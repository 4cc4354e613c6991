# SPDX-License-Identifier: Apache-2.0
"""``texgen bench batch``: sets a second of `texgen batch`, files written, beside the engine alone
in the same run, by turns.
"""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from texgen.batch.item import Item
from texgen.batch.run import Batch
from texgen.batch.state import BatchFolder
from texgen.client import Client
from texgen.commands.shared import open_client
from texgen.modelcard import ModelCard, find_card
from texgen_server.bench.report import promise
from texgen_server.bench.yardsticks import engine_rate
from texgen_server.config import ServerConfig
from texgen_server.engine.local import LocalEngine
from texgen_server.process.settings import tune_this_process

LEAST_SHARE = 0.75


@dataclass(frozen=True)
class BatchBench:
    """What the command line says."""

    models: Path | None
    cache: Path
    size_px: int = 512
    sets: int = 40
    jobs: int = 4
    rounds: int = 3
    device: str = "auto"


def bench_batch(options: BatchBench) -> dict[str, Any]:
    """One row: the share of the engine's rate that is left when every set becomes six PNG files and
    a sidecar.
    """
    tune_this_process()
    card = find_card("material", options.models)
    engine = LocalEngine(ServerConfig(models=options.models, cache_folder=options.cache))
    engine.warm("material")
    own = Namespace(
        server=None, models=options.models, device=options.device
    )  # as the command does without --server
    alone, made, start = [], [], time.time_ns() % 2**40  # no set that the cache has
    with open_client(own) as client, tempfile.TemporaryDirectory() as folder:
        _batch_rate(client, card, options, Path(folder, "warm"), range(start, start + 4))
        for turn in range(options.rounds):
            first = start + 10_000 * (turn + 1)
            alone.append(
                engine_rate(
                    engine, card, options.size_px, options.jobs, range(first, first + options.sets)
                )
            )
            seeds = range(first + 5000, first + 5000 + options.sets)
            made.append(_batch_rate(client, card, options, Path(folder, str(turn)), seeds))
    engine.close(5.0)
    rate, whole = median(made), median(alone)
    what = (
        f"sets of texgen batch, share of the engine alone ({options.size_px} px, PNG, "
        f"{options.jobs} jobs)"
    )
    return {
        "rows": [
            promise(
                what, rate / whole, -LEAST_SHARE, "", batch=f"{rate:.2f}/s", engine=f"{whole:.2f}/s"
            )
        ]
    }


def _batch_rate(
    client: Client, card: ModelCard, options: BatchBench, folder: Path, seeds: range
) -> float:
    classes, size = {card.classes[0].name: 1.0}, (options.size_px,) * 2
    items = [
        Item(f"set_{seed}", 1, {"classes": classes, "seed": seed, "size_px": size})
        for seed in seeds
    ]
    there = BatchFolder(folder)
    there.prepare()
    started = time.perf_counter()
    outcomes = list(
        Batch(client, there, options.jobs, {item.stem: "" for item in items}).run(items)
    )
    spent = time.perf_counter() - started
    assert all(outcome.status == "made" for outcome in outcomes), outcomes
    return len(items) / spent
