# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen train material``: packs the data, trains, samples, exports."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from texgen.errors import InvalidRequestError
from texgen.modelcard import read_card
from texgen_server.networks.torch_parts import build_generator
from texgen_server.registry import MaterialModel, load_material
from texgen_server.training.catalog import read_catalog, read_split, split_rows
from texgen_server.training.devices import training_device
from texgen_server.training.distributed import Workers
from texgen_server.training.material.data import prepared_pack
from texgen_server.training.material.export import color_moments, export_state
from texgen_server.training.material.samples import save_grid
from texgen_server.training.material.scans import import_scans
from texgen_server.training.material.settings import MaterialConfig, Stage
from texgen_server.training.material.trainer import MaterialTrainer
from texgen_server.training.runner import RunFiles, run_training
from texgen_server.training.trainer import Record

STATE_FILE, LOG_FILE = "state.safetensors", "log.jsonl"
LOG_EVERY_IMAGES, SAVE_EVERY_IMAGES = 400, 2000
SAMPLE_DENSITY = 256
"""Least density of the sample grids."""
DENSITY_SHARES = {
    128: {128: 0.3, 256: 0.4, 512: 0.3},
    256: {256: 0.2, 512: 0.4, 1024: 0.4},
    512: {512: 0.6, 1024: 0.4},
}
"""Size of training images -> px per tile they are cut at, with probabilities: whole tiles for
layout, crops for detail.
"""


@dataclass(frozen=True)
class MaterialTrainOptions:
    """The command line of ``texgen train material``."""

    data: Path
    work: Path
    stages: tuple[Stage, ...]
    resume: bool = False
    init: Path | None = None
    batch: int = 16
    device: str = "auto"
    export: Path | None = None
    version: str = "0.1.0"
    game: str = "relativistic"
    materials: int = 0
    """Number of materials to train on, the same ones in every run, to compare runs; 0: all."""


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Parse stages such as ``"128:60000,256:10000"``. Raises InvalidRequestError."""
    stages = []
    for part in text.split(","):
        size, _, images = part.partition(":")
        if not (size.isdigit() and images.isdigit() and int(size) in {0, *DENSITY_SHARES}):
            raise InvalidRequestError(
                f"stage {part!r}: write SIZE:IMAGES with a size of "
                f"{', '.join(map(str, DENSITY_SHARES))}",
                "stages",
            )
        if int(images):
            stages.append(Stage(int(size), int(images), DENSITY_SHARES[int(size)]))
    return tuple(stages)


def train_material(options: MaterialTrainOptions) -> None:
    """Train through all stages; state, log and samples go to ``options.work``.

    Raises TexgenError on bad input.
    """
    device = training_device(options.device)
    workers = Workers.join(device)
    data = options.data if (options.data / "materials.csv").is_file() else options.work / "scans"
    if data != options.data:
        workers.run_once(lambda: _import_scans(options.data, data))
    assets, held, folder = read_catalog(data), read_split(), options.work / "pack"
    workers.run_once(lambda: prepared_pack(data, assets, folder))
    pack = prepared_pack(data, assets, folder)
    train, _ = split_rows(pack.assets, held)
    if options.materials:
        train = fixed_choice(pack.assets, train, options.materials)
    config = MaterialConfig(stages=options.stages, batch=options.batch, game=options.game)
    trainer = MaterialTrainer(pack, train, config, device, workers)
    files = _run_files(trainer, options.work)
    run_training(
        trainer,
        files,
        resume=options.resume,
        initialise=lambda: _initialise(trainer, options.init, folder),
    )
    if options.export and workers.rank == 0:
        export_state(files.state, folder, assets, held, options.export, options.version)


def _import_scans(source: Path, target: Path) -> None:
    report = import_scans(source, target).text()
    Console(stderr=True).print(report, markup=False, highlight=False)


def _run_files(trainer: MaterialTrainer, work: Path) -> RunFiles:
    def write_samples() -> None:
        path = work / f"samples_{trainer.position:07d}.png"
        save_grid(trainer, path, SAMPLE_DENSITY, max(SAMPLE_DENSITY, trainer.size_px))

    def describe(row: Record) -> str:
        size_px = f"{trainer.size_px} px"
        return f"{size_px}, statistics {row['statistics']:.3f}, d {row['d']:.2f}"

    return RunFiles(
        work / STATE_FILE,
        work / LOG_FILE,
        describe,
        LOG_EVERY_IMAGES,
        SAVE_EVERY_IMAGES,
        write_samples,
    )


def fixed_choice(assets: list[str], train: list[int], count: int) -> list[int]:
    """Return ``count`` of the training rows, chosen by hash of their names: always the same."""
    by_hash = sorted(train, key=lambda i: hashlib.sha256(assets[i].encode()).digest())
    return sorted(by_hash[:count])


def _initialise(trainer: MaterialTrainer, init: Path | None, pack_folder: Path) -> None:
    if init:
        init_from_model(trainer, init, pack_folder)
    else:
        trainer.measure_codes()


def init_from_model(trainer: MaterialTrainer, folder: Path, pack_folder: Path) -> None:
    """Initialise a trainer from a model folder: the generator, and the codes of the materials that
    it knows.

    A material that it does not know starts from the codes of those that look most like it.
    """
    trainer.measure_codes()
    model = load_material(read_card(folder))
    weights = build_generator(model.params, model.weights).state_dict()
    members = [asset for c in model.card.classes for asset in c.materials]
    rows = {
        asset: torch.from_numpy(code)
        for asset, code in zip(members, model.tables.codes, strict=True)
    }
    similar = _similar_codes(model, pack_folder, len(trainer.pack.assets))
    with torch.no_grad():
        for generator, codes in (
            (trainer.generator, trainer.codes),
            (trainer.ema_generator, trainer.ema_codes),
        ):
            generator.load_state_dict(weights)
            for i, asset in enumerate(trainer.pack.assets):
                codes.table[i] = (rows[asset] if asset in rows else similar[i]).to(
                    codes.table.device
                )


def _similar_codes(
    model: MaterialModel, pack_folder: Path, count: int, neighbours: int = 3
) -> torch.Tensor:
    """Return (count, code_dim): for each material of a pack the mean code of the model's materials
    that look most like it.
    """
    ours = torch.from_numpy(color_moments(pack_folder, list(range(count)))[:, 0])
    theirs = torch.from_numpy(model.tables.moments[:, 0])
    nearest = (
        torch.cdist(ours / theirs.std(0), theirs / theirs.std(0))
        .topk(min(neighbours, len(theirs)), largest=False)
        .indices
    )
    return torch.from_numpy(model.tables.codes)[nearest].mean(1)
