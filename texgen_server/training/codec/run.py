# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen train codec``: both phases from a pack of exemplars, with figures and sheets on the
way.
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
from safetensors.torch import load_file, save_file
from torch import Tensor

from texgen.errors import InvalidRequestError
from texgen_server.networks.codec import Codec
from texgen_server.precision.autocast import rougher_float32_in_training
from texgen_server.training.codec.evaluate import measure, summary
from texgen_server.training.codec.joins import JoinsTrainer
from texgen_server.training.codec.pixels import Picture, PictureSet, prepare_pictures, read_pictures
from texgen_server.training.codec.reconstruction import ReconstructionTrainer
from texgen_server.training.codec.relaid import IndexMap, encode_pictures
from texgen_server.training.codec.settings import CodecConfig
from texgen_server.training.codec.sheets import write_sheet
from texgen_server.training.codec.trainer import CodecTrainer
from texgen_server.training.codec.transform import Transform, fit_transform
from texgen_server.training.codec.weights import read_codec, write_codec
from texgen_server.training.devices import training_device
from texgen_server.training.exemplars.pack import read_pack
from texgen_server.training.exemplars.split import read_validation

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
"""Largest share of the time for measuring and saving, where that takes long."""
MEAN_STEPS = 200
"""Steps that a row of the log is a mean of, at most."""
VALIDATION_NOISE = 1
"""Seed of the decoder's noise in measurements of the second phase."""

Log = Callable[[Mapping[str, float]], None]
Figures = dict[str, Tensor]


@dataclass(frozen=True)
class CodecTrainOptions:
    """The command line of ``texgen train codec``."""

    work: Path
    pack: Path | None = None
    """A folder of prepared exemplars."""
    data: Path | None = None
    """Folder of scans that are prepared in memory where there is no pack."""
    index_maps: Path | None = None
    """Safetensors file with an index map (h, w, 2) for each asset id, for the grid "small"."""
    init: Path | None = None
    """Weights to start from."""
    resume: bool = False
    device: str = "auto"
    jobs: int = 2


def train_codec(options: CodecTrainOptions, config: CodecConfig) -> None:
    """Run both phases; weights, states, log and sheets go to ``options.work``.

    Raises InvalidRequestError on bad input.
    """
    options.work.mkdir(parents=True, exist_ok=True)
    device = training_device(options.device)
    if device.type == "cuda":
        rougher_float32_in_training()
    pictures = PictureSet(_read_pictures(options), device)
    run = _Run(options, config, pictures)
    run.log({"pictures": len(pictures), "train": len(run.train), "validation": len(run.validation)})
    codec = _initial_codec(options, config, pictures, run.train)
    if config.codec_minutes > 0:
        codec = run.reconstruct(codec)
    if config.joins_minutes > 0:
        run.learn_joins(codec)


def _read_pictures(options: CodecTrainOptions) -> list[Picture]:
    if options.pack is not None:
        pack = read_pack(options.pack)
        names = [(a, g) for a in pack.ids() for g in pack.grids[a]]
        return read_pictures(pack, names, options.jobs)
    if options.data is not None:
        return prepare_pictures(options.data, options.jobs)
    raise InvalidRequestError(
        "no pictures: give --pack, a folder made by `texgen bank prepare`, or --data"
    )


def _initial_codec(
    options: CodecTrainOptions, config: CodecConfig, pictures: PictureSet, train: list[int]
) -> Codec:
    """Return the codec of ``--init``, or one that starts as the block transform of the pictures."""
    if options.init is not None:
        return read_codec(options.init)
    path = options.work / TRANSFORM_FILE
    if not path.is_file():
        fit_transform(pictures, train, config.params.latents).save(path)
    transform = Transform.load(path)
    torch.manual_seed(config.seed)
    return Codec(config.params, transform.basis, transform.deviations)


class _Run:
    """Both phases of one run, with its log and its validation pictures."""

    def __init__(
        self, options: CodecTrainOptions, config: CodecConfig, pictures: PictureSet
    ) -> None:
        self.options, self.config, self.pictures = options, config, pictures
        held = read_validation()
        rows = range(len(pictures))
        self.train = [i for i in rows if pictures.ids[i] not in held]
        self.validation = [
            i for i in rows if pictures.ids[i] in held and pictures.grids[i] == "small"
        ]
        self.log = _logger(options.work / "log.jsonl")

    def reconstruct(self, codec: Codec) -> Codec:
        """Run the first phase; returns the averaged codec."""
        trainer = ReconstructionTrainer(codec, self.pictures, self.train, self.config)

        def save() -> None:
            figures = self._measure(trainer.average, None)
            trainer.rate.correct(figures["bits"], self.config.bits)
            self._log_figures(1, trainer, figures)
            write_codec(trainer.average, self.options.work / CODEC_WEIGHTS)

        self._train(trainer, CODEC_STATE, save, 1)
        self._write_sheet(trainer.average, "codec.png", None)
        return trainer.average

    def learn_joins(self, codec: Codec) -> None:
        """Run the second phase, on the decoder of a codec."""
        codec = codec.to(self.pictures.device)
        index_maps = read_index_maps(self.options.index_maps)
        relaid = encode_pictures(codec, self.pictures, index_maps)
        trainer = JoinsTrainer(codec, self.pictures, self.train, relaid, self.config)
        averaged = copy.copy(codec)
        averaged._modules = {"encoder": codec.encoder, "decoder": trainer.average}

        def save() -> None:
            critic = trainer.critic.state_dict()
            tensors = {k: v.cpu().contiguous() for k, v in critic.items()}
            save_file(tensors, self.options.work / CRITIC_WEIGHTS)
            self._log_figures(2, trainer, self._measure(averaged, VALIDATION_NOISE))
            write_codec(averaged, self.options.work / JOINS_WEIGHTS)

        self._train(trainer, JOINS_STATE, save, 2)
        self._write_sheet(averaged, "joins.png", VALIDATION_NOISE)

    def _train(
        self, trainer: CodecTrainer, state_file: str, measure: Callable[[], None], phase: int
    ) -> None:
        """Resume where asked to, train to the end of the phase; ``measure`` logs figures and writes
        weights at each save.
        """
        state = self.options.work / state_file
        if self.options.resume and state.is_file():
            trainer.load(state)

        def save() -> None:
            measure()
            trainer.save(state)

        save()
        _loop(trainer.run(), save, self.log, phase, self.config.batch)

    def _measure(self, codec: Codec, noise_seed: int | None) -> dict[str, float]:
        return summary(measure(codec, self.pictures, self.validation, noise_seed))

    def _log_figures(self, phase: int, trainer: CodecTrainer, figures: dict[str, float]) -> None:
        minutes = trainer.clock.spent_s / 60
        self.log({"phase": phase, "step": trainer.position, "minutes": minutes, **figures})

    def _write_sheet(self, codec: Codec, name: str, noise_seed: int | None) -> None:
        path = self.options.work / name
        write_sheet(codec, self.pictures, self.validation, path, noise_seed)


def _loop(
    steps: Iterator[Figures], save: Callable[[], None], log: Log, phase: int, batch: int
) -> None:
    """Run, log means every `LOG_EVERY_S`, save from time to time and at the end."""
    torch.backends.cudnn.benchmark = True  # crops have one size; measures do not
    logged = saved = time.monotonic()
    took = 0.0
    seen: list[Figures] = []
    for record in steps:
        seen.append(record)
        now = time.monotonic()
        if now - logged > LOG_EVERY_S:
            log({"phase": phase, "crops_per_s": len(seen) * batch / (now - logged), **_means(seen)})
            logged, seen = time.monotonic(), []
        if now - saved > max(SAVE_EVERY_S, took / SAVE_SHARE):
            torch.backends.cudnn.benchmark = False
            save()
            torch.backends.cudnn.benchmark = True
            saved = time.monotonic()
            took = saved - now
    torch.backends.cudnn.benchmark = False
    save()


def _means(records: list[Figures]) -> dict[str, float]:
    """Return the mean of each figure over the last `MEAN_STEPS` records."""
    recent = records[-MEAN_STEPS:]
    return {k: float(torch.stack([r[k] for r in recent]).mean()) for k in recent[-1]}


def read_index_maps(path: Path | None) -> dict[str, IndexMap]:
    """Read index maps by asset id; returns none without a path."""
    return (
        {}
        if path is None
        else {name: tensor.numpy().astype(np.int64) for name, tensor in load_file(path).items()}
    )


def _logger(path: Path) -> Log:
    def log(record: Mapping[str, float]) -> None:
        text = json.dumps(
            {k: round(v, 5) if isinstance(v, float) else v for k, v in record.items()}
        )
        print(text, flush=True)  # noqa: T201 - a log of a run in the background
        with path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    return log
