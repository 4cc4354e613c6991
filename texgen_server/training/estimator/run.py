# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen train estimator`` and ``texgen eval estimator``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from safetensors.numpy import load_file

from texgen_server.networks.params import EstimatorParams
from texgen_server.training.catalog import Asset, read_catalog, read_split, split_rows
from texgen_server.training.devices import training_device
from texgen_server.training.distributed import Workers
from texgen_server.training.estimator.data import TileSource
from texgen_server.training.estimator.evaluate import evaluate_estimator
from texgen_server.training.estimator.export import write_estimator
from texgen_server.training.estimator.settings import EstimatorConfig
from texgen_server.training.estimator.trainer import EstimatorTrainer, images_seen
from texgen_server.training.material.data import Pack, prepare
from texgen_server.training.model_folder import data_table
from texgen_server.training.runner import EvalOptions, RunFiles, TrainOptions, run_training

STATE_FILE, LOG_FILE = "estimator.safetensors", "estimator_log.jsonl"


def train_estimator(options: TrainOptions, config: EstimatorConfig | None = None) -> None:
    """Train to ``steps``; pack, state and log go to ``options.work``.

    Raises TexgenError on bad input.
    """
    device = training_device(options.device)
    assets, workers = read_catalog(options.data), Workers.join(device)
    workers.run_once(lambda: _prepare(options, assets))
    pack = Pack(options.work)
    source = TileSource(pack, sorted(set(pack.classes)))
    train, _ = split_rows(pack.assets, read_split())
    params = EstimatorParams(len(source.class_names))
    config = replace(config or EstimatorConfig(), steps=options.steps)
    trainer = EstimatorTrainer(source, train, params, config, device, workers)
    files = RunFiles(
        options.work / STATE_FILE,
        options.work / LOG_FILE,
        lambda row: f"error {row['loss']:.3f}",
    )
    run_training(trainer, files, resume=options.resume)
    if options.export and workers.rank == 0:
        _export(options, trainer, params, assets)


def _export(
    options: TrainOptions, trainer: EstimatorTrainer, params: EstimatorParams, assets: list[Asset]
) -> None:
    """Write the averaged weights as a model folder."""
    assert options.export is not None
    source, pack = trainer.source, trainer.source.pack
    chosen = {pack.assets[i] for i in trainer.train_index.tolist()}
    classes = {
        name: [
            asset
            for asset, own in zip(pack.assets, pack.classes, strict=True)
            if own == name and asset in chosen
        ]
        for name in source.class_names
    }
    images = images_seen(trainer.position, trainer.config.batch)
    data = data_table([a for a in assets if a.asset_id in chosen], images, loss_network=False)
    tensors = load_file(options.work / STATE_FILE)
    write_estimator(tensors, params, classes, options.export, options.version, data)


def measure_estimator(options: EvalOptions) -> dict[str, Any]:
    """Measure a model on the held-out materials; see `evaluate_estimator`."""
    _prepare(options, read_catalog(options.data))
    pack = Pack(options.work)
    return evaluate_estimator(options, pack, *split_rows(pack.assets, read_split()))


def _prepare(options: TrainOptions | EvalOptions, assets: list[Asset]) -> None:
    """Prepare the pack of materials where there is none."""
    if not (options.work / "pack.json").is_file():
        prepare(options.data, assets, options.work)
