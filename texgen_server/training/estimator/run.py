# SPDX-License-Identifier: Apache-2.0
"""``texgen train estimator`` and ``texgen eval estimator``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from texgen_server.networks.params import EstimatorParams
from texgen_server.training.catalog import read_catalog, read_split
from texgen_server.training.estimator.data import TileSource
from texgen_server.training.estimator.evaluate import evaluate_estimator
from texgen_server.training.estimator.export import write_estimator
from texgen_server.training.estimator.loop import (
    EstimatorConfig,
    EstimatorTrainer,
    images_seen,
    load_estimator,
    save_estimator,
)
from texgen_server.training.material.data import Pack, prepare
from texgen_server.training.model_folder import data_table
from texgen_server.training.runner import StepwiseEval, StepwiseRun, run_logged, start

STATE_FILE = "estimator.safetensors"


def train_estimator(options: StepwiseRun, config: EstimatorConfig | None = None) -> None:
    """Train to ``steps``; pack, state and log go to ``options.work``.

    Raises TexgenError on bad input.
    """
    assets = read_catalog(options.data)
    if not (options.work / "pack.json").is_file():
        prepare(options.data, assets, options.work)
    source = tile_source(options.work)
    train, _ = parts(source.pack)
    params = EstimatorParams(len(source.class_names))
    trainer = EstimatorTrainer(source, train, params, config or EstimatorConfig(options.steps))
    state = options.work / STATE_FILE
    start(state, resume=options.resume, load=partial(load_estimator, trainer))
    save = partial(save_estimator, trainer, state)
    run_logged(
        trainer,
        options.steps,
        options.work / "estimator_log.jsonl",
        save,
        lambda r: f"error {r['loss']:.3f}",
    )
    if options.export:
        chosen = {source.pack.assets[i] for i in train}
        table = data_table(
            [a for a in assets if a.asset_id in chosen],
            images_seen(trainer.step_number, trainer.config.batch),
        )
        classes = {
            c: [
                a
                for a, own in zip(source.pack.assets, source.pack.classes, strict=True)
                if own == c and a in chosen
            ]
            for c in source.class_names
        }
        data = {k: v for k, v in table.items() if k != "loss_network"}
        write_estimator(load_file(state), params, classes, options.export, options.version, data)


def measure_estimator(options: StepwiseEval) -> dict[str, Any]:
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
    return [i for i, a in enumerate(pack.assets) if a not in held], [
        i for i, a in enumerate(pack.assets) if a in held
    ]
