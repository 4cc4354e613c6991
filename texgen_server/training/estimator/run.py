# SPDX-License-Identifier: Apache-2.0
"""``texgen train estimator`` and ``texgen eval estimator``."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from safetensors.numpy import load_file

from texgen.errors import InvalidRequestError
from texgen_server.networks.estimator import EstimatorParams
from texgen_server.training.catalog import read_catalog, read_split
from texgen_server.training.data import Pack, prepare
from texgen_server.training.estimator.data import TileSource
from texgen_server.training.estimator.evaluate import EstimatorEval, evaluate_estimator
from texgen_server.training.estimator.export import write_estimator
from texgen_server.training.estimator.loop import EstimatorConfig, EstimatorTrainer, load_estimator, save_estimator
from texgen_server.training.model_folder import data_table

STATE_FILE = "estimator.safetensors"
LOG_EVERY, SAVE_EVERY = 50, 250


@dataclass(frozen=True)
class EstimatorRun:
    """What the command line says."""

    data: Path
    work: Path
    steps: int
    resume: bool = False
    export: Path | None = None
    version: str = "0.1.0"


def train_estimator(options: EstimatorRun, config: EstimatorConfig | None = None) -> None:
    """Train to ``steps``; pack, state and log go to ``options.work``. Raises TexgenError on bad input."""
    assets = read_catalog(options.data)
    if not (options.work / "pack.json").is_file():
        prepare(options.data, assets, options.work)
    source = tile_source(options.work)
    train, _ = parts(source.pack)
    params = EstimatorParams(len(source.class_names))
    trainer = EstimatorTrainer(source, train, params, config or EstimatorConfig(options.steps))
    state = options.work / STATE_FILE
    if options.resume:
        if not state.is_file():
            raise InvalidRequestError(f"--resume: no state at {state}; start without it")
        load_estimator(trainer, state)
    elif state.is_file():
        raise InvalidRequestError(f"{state} exists: pass --resume to go on from it, or another --work")
    _run(trainer, options.work)
    if options.export:
        chosen = {source.pack.assets[i] for i in train}
        table = data_table([a for a in assets if a.asset_id in chosen], trainer.step_number * trainer.config.batch)
        classes = {
            c: [a for a, own in zip(source.pack.assets, source.pack.classes, strict=True) if own == c and a in chosen]
            for c in source.class_names
        }
        data = {k: v for k, v in table.items() if k != "loss_network"}
        write_estimator(load_file(state), params, classes, options.export, options.version, data)


def measure_estimator(options: EstimatorEval) -> dict[str, Any]:
    """`evaluate_estimator` on the held-out materials."""
    if not (options.work / "pack.json").is_file():
        prepare(options.data, read_catalog(options.data), options.work)
    pack = Pack(options.work)
    return evaluate_estimator(options, pack, *parts(pack))


def tile_source(work: Path) -> TileSource:
    """The pack in a folder, with the classes in it."""
    pack = Pack(work)
    return TileSource(pack, sorted(set(pack.classes)))


def parts(pack: Pack) -> tuple[list[int], list[int]]:
    """Rows to train on, rows held out."""
    held = read_split()
    return [i for i, a in enumerate(pack.assets) if a not in held], [i for i, a in enumerate(pack.assets) if a in held]


def _run(trainer: EstimatorTrainer, work: Path) -> None:
    started, seen = time.monotonic(), []
    with Progress(console=Console(stderr=True)) as bar, (work / "estimator_log.jsonl").open("a", encoding="utf-8") as log:
        task = bar.add_task("training", total=trainer.config.steps, completed=trainer.step_number)
        for record in trainer.run():
            seen.append(record)
            if trainer.step_number % LOG_EVERY == 0:
                keys = sorted({k for r in seen for k in r})
                means = {k: sum(r[k] for r in seen if k in r) / sum(k in r for r in seen) for k in keys}
                rate = len(seen) / (time.monotonic() - started)
                log.write(json.dumps({"step": trainer.step_number, "steps_per_s": rate, **means}) + "\n")
                log.flush()
                bar.update(task, completed=trainer.step_number, description=f"{rate:.2f} steps/s, error {means['loss']:.3f}")
                started, seen = time.monotonic(), []
            if trainer.step_number % SAVE_EVERY == 0:
                save_estimator(trainer, work / STATE_FILE)
    save_estimator(trainer, work / STATE_FILE)
