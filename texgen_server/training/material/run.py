# SPDX-License-Identifier: Apache-2.0
"""``texgen train material``: pack the data, train, log, sample, save, export."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress

from texgen.errors import InvalidRequestError
from texgen.modelcard import read_card
from texgen_server.networks.torch_parts import build_generator
from texgen_server.registry import MaterialModel, load_material
from texgen_server.training.catalog import Asset, read_catalog, read_split
from texgen_server.training.distributed import Workers
from texgen_server.training.material.data import Pack, prepare
from texgen_server.training.material.export import color_moments, export_state
from texgen_server.training.material.loop import Trainer
from texgen_server.training.material.samples import save_grid
from texgen_server.training.material.scans import import_scans
from texgen_server.training.material.settings import Stage, TrainConfig
from texgen_server.training.state import load_state, save_state

STATE_FILE = "state.safetensors"
SAVE_EVERY_IMAGES = 2000
DENSITY_SHARES = {
    128: {128: 0.3, 256: 0.4, 512: 0.3},
    256: {256: 0.2, 512: 0.4, 1024: 0.4},
    512: {512: 0.6, 1024: 0.4},
}
"""Size of training images -> px per tile they are cut at, with probabilities: whole tiles for
layout, crops for detail.
"""


@dataclass(frozen=True)
class RunOptions:
    """What the command line says."""

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
    """Train on so many materials only, the same for every run (0: all): for comparisons."""


def parse_stages(text: str) -> tuple[Stage, ...]:
    """``"128:60000,256:10000"`` -> stages. Raises InvalidRequestError."""
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


def prepared_pack(data: Path, assets: list[Asset], folder: Path) -> Pack:
    """The pack of all assets below ``folder``, made when it is not there yet or is of
    other assets.
    """
    meta = folder / "pack.json"
    ids = [a.asset_id for a in assets]
    if not meta.is_file() or _packed_assets(meta) != ids:
        prepare(data, assets, folder)
    return Pack(folder)


def _packed_assets(meta: Path) -> list[str]:
    """The assets of a pack; none when an older version of texgen made it."""
    document = json.loads(meta.read_text(encoding="utf-8"))
    return list(document["assets"]) if "native_px" in document else []


def train_material(options: RunOptions) -> None:
    """Train through all stages; state, log and samples go to ``options.work``.

    Raises TexgenError on bad input.
    """
    device = _device(options.device)
    workers = Workers.join(device)
    data = options.data if (options.data / "materials.csv").is_file() else options.work / "scans"
    if data != options.data and workers.rank == 0:
        Console(stderr=True).print(
            import_scans(options.data, data).text(), markup=False, highlight=False
        )
    workers.barrier()
    assets = read_catalog(data)
    held = read_split()
    if workers.rank == 0:
        prepared_pack(data, assets, options.work / "pack")
    workers.barrier()
    pack = prepared_pack(data, assets, options.work / "pack")
    train = [i for i, name in enumerate(pack.assets) if name not in held]
    if options.materials:
        train = fixed_choice(pack.assets, train, options.materials)
    trainer = Trainer(
        pack,
        train,
        TrainConfig(stages=options.stages, batch=options.batch, game=options.game),
        device,
        workers,
    )
    state = options.work / STATE_FILE
    _start(trainer, state, options)
    if workers.rank == 0:
        with _progress(trainer) as update:
            _run(trainer, options.work, update)
        save_state(trainer, state)
        if options.export:
            export_state(
                state, options.work / "pack", assets, held, options.export, options.version
            )
    else:
        for _ in trainer.run(lambda record: None):
            pass


def fixed_choice(assets: list[str], train: list[int], count: int) -> list[int]:
    """``count`` of the training rows, chosen by hash of their names: always the same."""
    by_hash = sorted(train, key=lambda i: hashlib.sha256(assets[i].encode()).digest())
    return sorted(by_hash[:count])


def _start(trainer: Trainer, state: Path, options: RunOptions) -> None:
    if options.resume:
        if not state.is_file():
            raise InvalidRequestError(
                f"--resume: no state at {state}; start without it, or with --init models/material"
            )
        load_state(trainer, state)
    elif state.is_file():
        raise InvalidRequestError(
            f"{state} exists: pass --resume to go on from it, or another --work"
        )
    elif options.init:
        init_from_model(trainer, options.init, options.work / "pack")
    else:
        trainer.measure_codes()


def init_from_model(trainer: Trainer, folder: Path, pack_folder: Path) -> None:
    """Start from a model folder's weights: the generator, and the codes of the materials that it
    knows.

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
    near = _near_codes(model, pack_folder, len(trainer.pack.assets))
    with torch.no_grad():
        for generator, codes in (
            (trainer.generator, trainer.codes),
            (trainer.ema_generator, trainer.ema_codes),
        ):
            generator.load_state_dict(weights)
            for i, asset in enumerate(trainer.pack.assets):
                codes.table[i] = (rows[asset] if asset in rows else near[i]).to(codes.table.device)


def _near_codes(
    model: MaterialModel, pack_folder: Path, count: int, neighbours: int = 3
) -> torch.Tensor:
    """(count, code_dim): for each material of a pack the mean code of the model's materials that
    look most like it.
    """
    ours = torch.from_numpy(color_moments(pack_folder, list(range(count)))[:, 0])
    theirs = torch.from_numpy(model.tables.moments[:, 0])
    nearest = (
        torch.cdist(ours / theirs.std(0), theirs / theirs.std(0))
        .topk(min(neighbours, len(theirs)), largest=False)
        .indices
    )
    return torch.from_numpy(model.tables.codes)[nearest].mean(1)


def _run(trainer: Trainer, work: Path, update: Any) -> None:
    """The first worker's loop: log, save, sample."""
    work.mkdir(parents=True, exist_ok=True)
    last = trainer.images

    def log(record: dict[str, float]) -> None:
        with (work / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record | {"time": round(time.time())}) + "\n")
        update(record)

    for stage in trainer.run(log):
        if trainer.images // SAVE_EVERY_IMAGES != last // SAVE_EVERY_IMAGES:
            save_state(trainer, work / STATE_FILE)
            save_grid(
                trainer, work / f"samples_{trainer.images:07d}.png", 256, max(256, stage.size_px)
            )
            last = trainer.images


@contextmanager
def _progress(trainer: Trainer) -> Iterator[Any]:
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=trainer.config.total_images, completed=trainer.images)

        def update(record: dict[str, float]) -> None:
            if "rolled_back" in record:
                bar.console.print(
                    f"[yellow]diverged: back to {record['images']:.0f} images at "
                    f"{record['rate']:g} of the learning rate"
                )
                return
            text = (
                f"{record['size_px']:.0f} px, {record['images_per_s']:.1f} images/s, "
                f"statistics {record['statistics']:.3f}, d {record['d']:.2f}"
            )
            bar.update(task, completed=record["images"], description=text)

        yield update


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise InvalidRequestError(f"device {name!r}: allowed are auto, cpu, cuda", "device")
    return torch.device(name)
