# SPDX-License-Identifier: Apache-2.0
"""``texgen train upscaler`` and ``texgen eval upscaler``: prepare, train, save, export, measure."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import load_file

from texgen_server.networks.channels import SCALES
from texgen_server.training.catalog import Asset, read_catalog, read_split
from texgen_server.training.distributed import Workers
from texgen_server.training.model_folder import data_table
from texgen_server.training.runner import StepwiseEval, StepwiseRun, run_logged, start
from texgen_server.training.upscaler.data import FullScans, prepare
from texgen_server.training.upscaler.evaluate import evaluate_upscaler
from texgen_server.training.upscaler.export import write_upscaler
from texgen_server.training.upscaler.loop import (
    UpscalerConfig,
    UpscalerTrainer,
    load_upscaler,
    save_upscaler,
)

STATE_FILE = "upscaler.safetensors"


def train_upscaler(options: StepwiseRun, config: UpscalerConfig | None = None) -> None:
    """Train to ``steps``; state and log go to ``options.work``. Raises TexgenError on bad input."""
    assets, workers = read_catalog(options.data), Workers.join(torch.device("cpu"))
    if workers.rank == 0:
        scans = prepared_scans(options.data, assets, options.work)
        for scale in SCALES:
            scans.bicubic_errors(scale)
    workers.barrier()
    scans = FullScans(options.work)
    train, _ = _parts(scans)
    trainer = UpscalerTrainer(
        scans, train, replace(config or UpscalerConfig(), steps=options.steps), workers
    )
    state = options.work / STATE_FILE
    start(state, resume=options.resume, load=partial(load_upscaler, trainer))
    workers.barrier()  # nobody writes a state before all have looked for one
    if workers.rank == 0:
        save = partial(save_upscaler, trainer, state)
        run_logged(
            trainer,
            options.steps,
            options.work / "upscaler_log.jsonl",
            save,
            lambda r: f"{-100 * r['loss']:.1f} % of bicubic's error gone",
        )
    else:
        for _ in trainer.run():
            pass
    if options.export and workers.rank == 0:
        tensors = load_file(state)
        weights = {k.removeprefix("ema/"): v for k, v in tensors.items() if k.startswith("ema/")}
        chosen = [a for a in assets if a.asset_id in {scans.assets[i] for i in train}]
        data = data_table(chosen, trainer.step_number * trainer.config.batch)
        if not trainer.config.features:
            data.pop("loss_network")
        data["assets"] = [a.asset_id for a in chosen]
        write_upscaler(weights, trainer.config.params, options.export, options.version, data)


def measure_upscaler(options: StepwiseEval) -> dict[str, Any]:
    """`evaluate_upscaler` on the held-out scans."""
    scans = prepared_scans(options.data, read_catalog(options.data), options.work)
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
    return [i for i in rows if scans.assets[i] not in held], [
        i for i in rows if scans.assets[i] in held
    ]
