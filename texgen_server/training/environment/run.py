# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen train environment`` and ``texgen eval environment``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from texgen_server.training.catalog import read_split, split_rows
from texgen_server.training.devices import training_device
from texgen_server.training.distributed import Workers
from texgen_server.training.environment.clear_skies import clear_skies
from texgen_server.training.environment.data import (
    SPLIT_FILE,
    HdrAsset,
    HdrPack,
    prepare_environments,
    read_environments,
)
from texgen_server.training.environment.evaluate import evaluate_environment
from texgen_server.training.environment.export import write_environment
from texgen_server.training.environment.settings import EnvironmentConfig
from texgen_server.training.environment.trainer import EnvironmentTrainer
from texgen_server.training.model_folder import data_table
from texgen_server.training.runner import EvalOptions, RunFiles, TrainOptions, run_training

STATE_FILE, LOG_FILE = "environment.safetensors", "environment_log.jsonl"


def train_environment(options: TrainOptions, config: EnvironmentConfig | None = None) -> None:
    """Train to ``steps``; prepared maps, state and log go to ``options.work``.

    Raises TexgenError on bad input.
    """
    device = training_device(options.device)
    assets, workers = read_environments(options.data), Workers.join(device)
    workers.run_once(lambda: prepared_pack(options.data, assets, options.work))
    pack = HdrPack(options.work)
    train, _ = split_rows(pack.assets, read_split(SPLIT_FILE))
    config = replace(config or EnvironmentConfig(), steps=options.steps)
    trainer = EnvironmentTrainer(pack, train, config, device, workers)
    files = RunFiles(
        options.work / STATE_FILE,
        options.work / LOG_FILE,
        lambda row: f"features {row.get('features', 0.0):.3f}",
    )
    run_training(trainer, files, resume=options.resume)
    if options.export and workers.rank == 0:
        _export(options, trainer, train, assets)


def _export(
    options: TrainOptions, trainer: EnvironmentTrainer, train: list[int], assets: list[HdrAsset]
) -> None:
    """Write the averaged weights as a model folder."""
    assert options.export is not None
    pack, config = trainer.pack, trainer.config
    chosen = {pack.assets[i] for i in train}
    images = trainer.position * config.batch
    data = data_table([a for a in assets if a.asset_id in chosen], images)
    skies = clear_skies(config.params.layout_rows)
    tensors = load_file(options.work / STATE_FILE)
    write_environment(
        tensors, pack, train, config.params, skies, options.export, options.version, data
    )


def measure_environment(options: EvalOptions) -> dict[str, Any]:
    """Measure a model on all maps; see `evaluate_environment`."""
    pack = prepared_pack(options.data, read_environments(options.data), options.work)
    held = split_rows(pack.assets, read_split(SPLIT_FILE))[1]
    return evaluate_environment(options, pack, held)


def prepared_pack(data: Path, assets: list[HdrAsset], work: Path) -> HdrPack:
    """Return the maps ready for training; prepares them where they are not there yet."""
    if not (work / "environments.json").is_file():
        prepare_environments(data, assets, work)
    return HdrPack(work)
