# SPDX-License-Identifier: Apache-2.0
"""``texgen train upscaler`` and ``texgen eval upscaler``: prepare, train, save, export, measure."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from safetensors.numpy import load_file

from texgen.errors import InvalidRequestError
from texgen_server.training.catalog import Asset, read_catalog, read_split
from texgen_server.training.distributed import Workers
from texgen_server.training.model_folder import data_table
from texgen_server.training.upscaler.data import FullScans, prepare
from texgen_server.training.upscaler.evaluate import UpscalerEval, evaluate_upscaler
from texgen_server.training.upscaler.export import write_upscaler
from texgen_server.training.upscaler.loop import UpscalerConfig, UpscalerTrainer, load_upscaler, save_upscaler

STATE_FILE = "upscaler.safetensors"
LOG_EVERY, SAVE_EVERY = 50, 500


@dataclass(frozen=True)
class UpscalerRun:
    """What the command line says."""

    data: Path
    work: Path
    steps: int
    resume: bool = False
    export: Path | None = None
    version: str = "0.1.0"


def train_upscaler(options: UpscalerRun, config: UpscalerConfig | None = None) -> None:
    """Train to ``steps``; state and log go to ``options.work``. Raises TexgenError on bad input."""
    assets, workers = read_catalog(options.data), Workers.join(torch.device("cpu"))
    if workers.rank == 0:
        prepared_scans(options.data, assets, options.work)
    workers.barrier()
    scans = FullScans(options.work)
    train, _ = _parts(scans)
    trainer = UpscalerTrainer(scans, train, replace(config or UpscalerConfig(), steps=options.steps), workers)
    state = options.work / STATE_FILE
    _start(trainer, state, resume=options.resume)
    workers.barrier()  # nobody writes a state before all have looked for one
    _run(trainer, options.work)
    if options.export and workers.rank == 0:
        tensors = load_file(state)
        weights = {k.removeprefix("ema/"): v for k, v in tensors.items() if k.startswith("ema/")}
        chosen = [a for a in assets if a.asset_id in {scans.assets[i] for i in train}]
        data = data_table(chosen, trainer.step_number * trainer.config.batch)
        if not trainer.config.features:
            data.pop("loss_network")
        data["assets"] = [a.asset_id for a in chosen]
        write_upscaler(weights, trainer.config.params, options.export, options.version, data)


def measure_upscaler(data: Path, options: UpscalerEval) -> dict[str, Any]:
    """`evaluate_upscaler` on the held-out scans."""
    scans = prepared_scans(data, read_catalog(data), options.work)
    return evaluate_upscaler(options, _parts(scans)[1], scans)


def prepared_scans(data: Path, assets: list[Asset], work: Path) -> FullScans:
    """The scans at full resolution, prepared when they are not there yet."""
    if not (work / "upscaler.json").is_file():
        prepare(data, assets, work)
    return FullScans(work)


def _parts(scans: FullScans) -> tuple[list[int], list[int]]:
    """Rows to train on, rows held out."""
    held = read_split()
    rows = range(len(scans.assets))
    return [i for i in rows if scans.assets[i] not in held], [i for i in rows if scans.assets[i] in held]


def _start(trainer: UpscalerTrainer, state: Path, *, resume: bool) -> None:
    if resume:
        if not state.is_file():
            raise InvalidRequestError(f"--resume: no state at {state}; start without it")
        load_upscaler(trainer, state)
    elif state.is_file():
        raise InvalidRequestError(f"{state} exists: pass --resume to go on from it, or another --work")


def _run(trainer: UpscalerTrainer, work: Path) -> None:
    if trainer.workers.rank:
        for _ in trainer.run():
            pass
        return
    started, seen = time.monotonic(), []
    with Progress(console=Console(stderr=True)) as bar, (work / "upscaler_log.jsonl").open("a", encoding="utf-8") as log:
        task = bar.add_task("training", total=trainer.config.steps, completed=trainer.step_number)
        for record in trainer.run():
            seen.append(record)
            if trainer.step_number % LOG_EVERY == 0:
                keys = sorted({k for r in seen for k in r} - {"scale"})
                means = {k: sum(r[k] for r in seen if k in r) / sum(k in r for r in seen) for k in keys}
                rate = len(seen) / (time.monotonic() - started)
                log.write(json.dumps({"step": trainer.step_number, "steps_per_s": rate, **means}) + "\n")
                log.flush()
                bar.update(
                    task, completed=trainer.step_number, description=f"{rate:.2f} steps/s, {-4.343 * means['loss']:.2f} dB over bicubic"
                )
                started, seen = time.monotonic(), []
            if trainer.step_number % SAVE_EVERY == 0:
                save_upscaler(trainer, work / STATE_FILE)
    save_upscaler(trainer, work / STATE_FILE)
