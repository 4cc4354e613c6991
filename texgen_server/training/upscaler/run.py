# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen train upscaler`` and ``texgen eval upscaler``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from texgen_server.networks.channels import SCALES
from texgen_server.training.catalog import Asset, read_catalog, read_split, split_rows
from texgen_server.training.devices import training_device
from texgen_server.training.distributed import Workers
from texgen_server.training.model_folder import data_table
from texgen_server.training.runner import EvalOptions, RunFiles, TrainOptions, run_training
from texgen_server.training.state import network_tensors
from texgen_server.training.upscaler.evaluate import evaluate_upscaler
from texgen_server.training.upscaler.export import write_upscaler
from texgen_server.training.upscaler.scans import FullScans, prepare
from texgen_server.training.upscaler.settings import UpscalerConfig
from texgen_server.training.upscaler.trainer import UpscalerTrainer

STATE_FILE, LOG_FILE = "upscaler.safetensors", "upscaler_log.jsonl"


def train_upscaler(options: TrainOptions, config: UpscalerConfig | None = None) -> None:
    """Train to ``steps``; scans, state and log go to ``options.work``.

    Raises TexgenError on bad input.
    """
    device = training_device(options.device)
    assets, workers = read_catalog(options.data), Workers.join(device)
    workers.run_once(lambda: _prepare(options, assets))
    scans = FullScans(options.work)
    train, _ = split_rows(scans.assets, read_split())
    config = replace(config or UpscalerConfig(), steps=options.steps)
    trainer = UpscalerTrainer(scans, train, config, device, workers)
    files = RunFiles(
        options.work / STATE_FILE,
        options.work / LOG_FILE,
        lambda row: f"{-100 * row['loss']:.1f} % of bicubic's error gone",
    )
    run_training(trainer, files, resume=options.resume)
    if options.export and workers.rank == 0:
        _export(options, trainer, assets)


def _export(options: TrainOptions, trainer: UpscalerTrainer, assets: list[Asset]) -> None:
    """Write the averaged weights as a model folder."""
    assert options.export is not None
    config, known = trainer.config, trainer.scans.assets
    names = {known[i] for i in trainer.train_index.tolist()}
    chosen = [a for a in assets if a.asset_id in names]
    images = trainer.position * config.batch
    data = data_table(chosen, images, loss_network=bool(config.features))
    data["assets"] = [a.asset_id for a in chosen]
    weights = network_tensors(load_file(options.work / STATE_FILE), "ema")
    write_upscaler(weights, config.params, options.export, options.version, data)


def measure_upscaler(options: EvalOptions) -> dict[str, Any]:
    """Measure a model on the held-out scans; see `evaluate_upscaler`."""
    scans = prepared_scans(options.data, read_catalog(options.data), options.work)
    return evaluate_upscaler(options, split_rows(scans.assets, read_split())[1], scans)


def _prepare(options: TrainOptions, assets: list[Asset]) -> None:
    """Prepare the scans, and measure bicubic interpolation on them."""
    scans = prepared_scans(options.data, assets, options.work)
    for scale in SCALES:
        scans.bicubic_errors(scale)


def prepared_scans(data: Path, assets: list[Asset], work: Path) -> FullScans:
    """Return the scans at full resolution; prepares them where they are not there yet."""
    if not (work / "upscaler.json").is_file():
        prepare(data, assets, work)
    return FullScans(work)
