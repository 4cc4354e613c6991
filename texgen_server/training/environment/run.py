# SPDX-License-Identifier: Apache-2.0
"""``texgen train environment``: prepare, train, save, export."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import load_file

from texgen_server.training.catalog import read_split
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
from texgen_server.training.environment.loop import (
    EnvironmentConfig,
    EnvironmentTrainer,
    load_environment,
    save_environment,
)
from texgen_server.training.model_folder import data_table
from texgen_server.training.runner import StepwiseEval, StepwiseRun, run_logged, start

STATE_FILE = "environment.safetensors"


def train_environment(options: StepwiseRun, config: EnvironmentConfig | None = None) -> None:
    """Train to ``steps``; prepared maps, state and log go to ``options.work``.

    Raises TexgenError on bad input.
    """
    assets, workers = read_environments(options.data), Workers.join(torch.device("cpu"))
    if workers.rank == 0:
        prepared_pack(options.data, assets, options.work)
    workers.barrier()
    pack = HdrPack(options.work)
    train, _ = parts(pack)
    trainer = EnvironmentTrainer(
        pack, train, replace(config or EnvironmentConfig(), steps=options.steps), workers
    )
    state = options.work / STATE_FILE
    start(state, resume=options.resume, load=partial(load_environment, trainer))
    workers.barrier()  # nobody writes a state before all have looked for one
    if workers.rank:
        for _ in trainer.run():
            pass
        return
    save = partial(save_environment, trainer, state)
    run_logged(
        trainer,
        options.steps,
        options.work / "environment_log.jsonl",
        save,
        lambda r: f"features {r.get('features', 0.0):.3f}",
    )
    if options.export:
        chosen = {pack.assets[i] for i in train}
        data = data_table(
            [a for a in assets if a.asset_id in chosen], trainer.step_number * trainer.config.batch
        )
        params = trainer.config.params
        skies = clear_skies(params.layout_rows)
        write_environment(
            load_file(state), pack, train, params, skies, options.export, options.version, data
        )


def measure_environment(options: StepwiseEval) -> dict[str, Any]:
    """`evaluate_environment` on all maps."""
    pack = prepared_pack(options.data, read_environments(options.data), options.work)
    return evaluate_environment(options, pack, parts(pack)[1])


def prepared_pack(data: Path, assets: list[HdrAsset], work: Path) -> HdrPack:
    """The maps ready for training, prepared when they are not there yet."""
    if not (work / "environments.json").is_file():
        prepare_environments(data, assets, work)
    return HdrPack(work)


def parts(pack: HdrPack) -> tuple[list[int], list[int]]:
    """Rows to train on, rows held out."""
    held, rows = read_split(SPLIT_FILE), range(len(pack.assets))
    return [i for i in rows if pack.assets[i] not in held], [
        i for i in rows if pack.assets[i] in held
    ]
