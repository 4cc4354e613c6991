# SPDX-License-Identifier: Apache-2.0
"""``texgen train codec``: both phases from a pack of exemplars, resumable, with figures and sheets
as it goes.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from texgen.errors import InvalidRequestError
from texgen_server.networks.codec import Codec, draw_noise
from texgen_server.precision.autocast import rougher_float32_in_training
from texgen_server.training.codec.common import Clock
from texgen_server.training.codec.evaluate import measure, summary
from texgen_server.training.codec.joins import IndexMap, JoinTrainer, encode_all
from texgen_server.training.codec.pixels import Picture, PictureSet, prepare_pictures, read_pictures
from texgen_server.training.codec.reconstruction import ReconstructionTrainer
from texgen_server.training.codec.settings import CodecConfig
from texgen_server.training.codec.sheets import crop_lit, sheet
from texgen_server.training.codec.transform import Transform, fit_transform
from texgen_server.training.codec.weights import read_codec, write_codec
from texgen_server.training.exemplars.pack import read_pack
from texgen_server.training.exemplars.split import read_validation
from texgen_server.training.state import Networks, Optimizers, read_tensors, write_tensors

TRANSFORM_FILE, CODEC_STATE, JOINS_STATE = (
    "transform.safetensors",
    "codec_state.safetensors",
    "joins_state.safetensors",
)
CODEC_WEIGHTS, JOINS_WEIGHTS, CRITIC_WEIGHTS = (
    "codec.safetensors",
    "joins.safetensors",
    "critic.safetensors",
)
LOG_EVERY_S, SAVE_EVERY_S = 10.0, 60.0
SAVE_SHARE = 0.04
"""Of the time that may go into measuring and saving, where that takes long."""
SHEET_PX = 256
MOST_SHEET_ROWS = 8

Log = Callable[[Mapping[str, float]], None]
Figures = dict[str, Tensor]


@dataclass(frozen=True)
class CodecRun:
    """What the command line says."""

    work: Path
    pack: Path | None = None
    """A folder of prepared exemplars."""
    data: Path | None = None
    """Where there is no pack: scans, prepared in memory."""
    index_maps: Path | None = None
    """Safetensors file: an index map (h, w, 2) for each asset id, for the grid "small"."""
    init: Path | None = None
    """Weights to start from."""
    resume: bool = False
    device: str = "auto"
    jobs: int = 2


def train_codec(options: CodecRun, config: CodecConfig) -> None:
    """Run both phases; weights, states, log and sheets go to ``options.work``.

    Raises InvalidRequestError on bad input.
    """
    options.work.mkdir(parents=True, exist_ok=True)
    device = torch.device(
        "cuda"
        if options.device == "auto" and torch.cuda.is_available()
        else options.device.replace("auto", "cpu")
    )
    if device.type == "cuda":
        rougher_float32_in_training()
    pictures = PictureSet(_pictures(options), device)
    held = read_validation()
    train = [i for i, name in enumerate(pictures.ids) if name not in held]
    validation = [
        i for i, name in enumerate(pictures.ids) if name in held and pictures.grids[i] == "small"
    ]
    log = _logger(options.work / "log.jsonl")
    log({"pictures": len(pictures), "train": len(train), "validation": len(validation)})
    codec = _start(options, config, pictures, train)
    if config.codec_minutes > 0:
        codec = _reconstruct(options, config, codec, pictures, train, validation, log)
    if config.joins_minutes > 0:
        _mend(options, config, codec, pictures, train, validation, log)


def _pictures(options: CodecRun) -> list[Picture]:
    if options.pack is not None:
        pack = read_pack(options.pack)
        wanted = [(a, g) for a in pack.ids() for g in pack.grids[a]]
        return read_pictures(pack, wanted, options.jobs)
    if options.data is not None:
        return prepare_pictures(options.data, options.jobs)
    raise InvalidRequestError(
        "no pictures: give --pack, a folder made by `texgen bank prepare`, or --data"
    )


def _start(options: CodecRun, config: CodecConfig, pictures: PictureSet, train: list[int]) -> Codec:
    if options.init is not None:
        return read_codec(options.init)
    path = options.work / TRANSFORM_FILE
    if not path.is_file():
        fit_transform(pictures, train, config.params.latents).save(path)
    transform = Transform.load(path)
    torch.manual_seed(config.seed)
    return Codec(config.params, transform.basis, transform.deviations)


def _reconstruct(
    options: CodecRun,
    config: CodecConfig,
    codec: Codec,
    pictures: PictureSet,
    train: list[int],
    validation: list[int],
    log: Log,
) -> Codec:
    """The first phase; returns the averaged codec."""
    trainer = ReconstructionTrainer(codec, pictures, train, config)
    state = options.work / CODEC_STATE
    networks: Networks = {"network": trainer.codec, "average": trainer.average}
    optimizers: Optimizers = {"optimizer": trainer.optimizer}
    if options.resume and state.is_file():
        _, about = read_tensors(networks, optimizers, state)
        trainer.step_number, trainer.clock = (
            int(about["step"]),
            Clock(config.codec_minutes, float(about["spent_s"])),
        )
        trainer.rate.target_bits = float(about["target_bits"])
        trainer.rate.weight.fill_(float(about["rate_weight"]))

    def save() -> None:
        figures = summary(measure(trainer.average, pictures, validation, None))
        trainer.rate.correct(figures["bits"], config.bits)
        log(
            {
                "phase": 1,
                "step": trainer.step_number,
                "minutes": trainer.clock.spent_s / 60,
                **figures,
            }
        )
        about = {
            "step": trainer.step_number,
            "spent_s": trainer.clock.spent_s,
            "target_bits": trainer.rate.target_bits,
        }
        about["rate_weight"] = float(trainer.rate.weight)
        write_tensors(networks, optimizers, state, {k: str(v) for k, v in about.items()})
        write_codec(trainer.average, options.work / CODEC_WEIGHTS)

    save()
    _loop(trainer.run(), save, log, 1, config)
    write_sheet(trainer.average, pictures, validation, options.work / "codec.png", None)
    return trainer.average


def _mend(
    options: CodecRun,
    config: CodecConfig,
    codec: Codec,
    pictures: PictureSet,
    train: list[int],
    validation: list[int],
    log: Log,
) -> None:
    """The second phase."""
    codec = codec.to(pictures.device)
    relaid = encode_all(codec, pictures, read_index_maps(options.index_maps))
    trainer = JoinTrainer(codec, pictures, train, relaid, config)
    state = options.work / JOINS_STATE
    networks: Networks = {
        "decoder": trainer.decoder,
        "average": trainer.average,
        "critic": trainer.critic,
    }
    optimizers: Optimizers = {
        "optimizer": trainer.optimizer,
        "critic_optimizer": trainer.critic_optimizer,
    }
    if options.resume and state.is_file():
        _, about = read_tensors(networks, optimizers, state)
        trainer.step_number, trainer.clock = (
            int(about["step"]),
            Clock(config.joins_minutes, float(about["spent_s"])),
        )
    averaged = copy.copy(codec)
    averaged._modules = {"encoder": codec.encoder, "decoder": trainer.average}

    def save() -> None:
        save_file(
            {k: v.cpu().contiguous() for k, v in trainer.critic.state_dict().items()},
            options.work / CRITIC_WEIGHTS,
        )
        figures = summary(measure(averaged, pictures, validation, 1))
        log(
            {
                "phase": 2,
                "step": trainer.step_number,
                "minutes": trainer.clock.spent_s / 60,
                **figures,
            }
        )
        write_tensors(
            networks,
            optimizers,
            state,
            {"step": str(trainer.step_number), "spent_s": str(trainer.clock.spent_s)},
        )
        write_codec(averaged, options.work / JOINS_WEIGHTS)

    save()
    _loop(trainer.run(), save, log, 2, config)
    write_sheet(averaged, pictures, validation, options.work / "joins.png", 1)


def _loop(
    steps: Iterator[Figures], save: Callable[[], None], log: Log, phase: int, config: CodecConfig
) -> None:
    """Run, log means now and then, save now and then and at the end."""
    torch.backends.cudnn.benchmark = True  # crops have one size; measures do not
    logged = saved = time.monotonic()
    took = 0.0
    seen: list[Figures] = []
    for record in steps:
        seen.append(record)
        now = time.monotonic()
        if now - logged > LOG_EVERY_S:
            means = {k: float(torch.stack([r[k] for r in seen[-200:]]).mean()) for k in seen[-1]}
            rate = len(seen) / (time.monotonic() - logged)
            log({"phase": phase, "crops_per_s": rate * config.batch, **means})
            logged, seen = time.monotonic(), []
        if now - saved > max(SAVE_EVERY_S, took / SAVE_SHARE):
            torch.backends.cudnn.benchmark = False
            save()
            torch.backends.cudnn.benchmark = True
            saved = time.monotonic()
            took = saved - now
    torch.backends.cudnn.benchmark = False
    save()


def read_index_maps(path: Path | None) -> dict[str, IndexMap]:
    """Index maps by asset id; none without a path."""
    return (
        {}
        if path is None
        else {name: tensor.numpy().astype(np.int64) for name, tensor in load_file(path).items()}
    )


@torch.no_grad()
def write_sheet(
    codec: Codec, pictures: PictureSet, rows: list[int], path: Path, noise_seed: int | None
) -> None:
    """Scan beside decode at 1:1, lit, of evenly chosen pictures."""
    lines = []
    for row in rows[:: max(1, len(rows) // MOST_SHEET_ROWS)][:MOST_SHEET_ROWS]:
        maps = pictures.whole(row) * pictures.known[row].view(1, -1, 1, 1)
        latents = codec.encoder(maps).round()
        noise = None
        if noise_seed is not None:
            random = torch.Generator(pictures.device).manual_seed(noise_seed)
            noise = draw_noise(codec.params, (1, *latents.shape[2:]), pictures.device, random)
        made = codec.decoder(latents, noise)
        lines.append([crop_lit(m, pictures, row, SHEET_PX) for m in (maps, made)])
    Image.fromarray(sheet(lines)).save(path)


def _logger(path: Path) -> Log:
    def log(record: Mapping[str, float]) -> None:
        text = json.dumps(
            {k: round(v, 5) if isinstance(v, float) else v for k, v in record.items()}
        )
        print(text, flush=True)  # noqa: T201 - a log of a run in the background
        with path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    return log
