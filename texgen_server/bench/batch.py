# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen bench batch``: sets a second of ``texgen batch``, files written, alternately with
the engine alone.
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

MIN_SHARE = 0.75
"""Promised share of the engine's rate."""


@dataclass(frozen=True)
class BatchBench:
    """The command line of ``texgen bench batch``."""

    models: Path | None
    cache: Path
    size_px: int = 512
    sets: int = 40
    jobs: int = 4
    rounds: int = 3
    device: str = "auto"


def bench_batch(options: BatchBench) -> dict[str, Any]:
    """Return one row: the share of the engine's rate that is left when every set becomes six PNG
    files and a sidecar.
    """
    tune_this_process()
    card = find_card("material", options.models)
    engine = LocalEngine(ServerConfig(models=options.models, cache_folder=options.cache))
    engine.warm("material")
    # options as the command has them without --server
    own_server = Namespace(server=None, models=options.models, device=options.device)
    alone, made = [], []
    start = time.time_ns() % 2**40  # seeds that the cache does not hold
    with open_client(own_server) as client, tempfile.TemporaryDirectory() as folder:
        _batch_rate(client, card, options, Path(folder, "warm"), range(start, start + 4))
        for turn in range(options.rounds):
            first = start + 10_000 * (turn + 1)
            seeds = range(first, first + options.sets)
            alone.append(engine_rate(engine, card, options.size_px, options.jobs, seeds))
            seeds = range(first + 5000, first + 5000 + options.sets)
            made.append(_batch_rate(client, card, options, Path(folder, str(turn)), seeds))
    engine.close(5.0)
    return {"rows": [_row(options, median(made), median(alone))]}


def _row(options: BatchBench, rate: float, engine_rate: float) -> dict[str, Any]:
    what = (
        f"sets of texgen batch, share of the engine alone ({options.size_px} px, PNG, "
        f"{options.jobs} jobs)"
    )
    notes = {"batch": f"{rate:.2f}/s", "engine": f"{engine_rate:.2f}/s"}
    return promise(what, rate / engine_rate, -MIN_SHARE, "", **notes)


def _batch_rate(
    client: Client, card: ModelCard, options: BatchBench, folder: Path, seeds: range
) -> float:
    """Return sets a second of a batch written to a folder."""
    classes, size = {card.classes[0].name: 1.0}, (options.size_px,) * 2
    items = [
        Item(f"set_{seed}", 1, {"classes": classes, "seed": seed, "size_px": size})
        for seed in seeds
    ]
    target = BatchFolder(folder)
    target.prepare()
    started = time.perf_counter()
    outcomes = list(
        Batch(client, target, options.jobs, {item.stem: "" for item in items}).run(items)
    )
    spent = time.perf_counter() - started
    assert all(outcome.status == "made" for outcome in outcomes), outcomes
    return len(items) / spent
