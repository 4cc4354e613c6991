# SPDX-License-Identifier: Apache-2.0
"""Runs a trainer of any family to its end: start or resume, log, progress bar, saving."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID

from texgen.errors import InvalidRequestError
from texgen_server.training.trainer import ROLLED_BACK, FixedLengthTrainer, Record

LOG_EVERY_STEPS, SAVE_EVERY_STEPS = 50, 250


@dataclass(frozen=True)
class TrainOptions:
    """The command line of ``texgen train`` for a model that is trained by steps."""

    data: Path
    work: Path
    steps: int
    resume: bool = False
    export: Path | None = None
    version: str = "0.1.0"
    device: str = "auto"


@dataclass(frozen=True)
class EvalOptions:
    """The command line of ``texgen eval`` for a model that is trained by steps."""

    data: Path
    work: Path
    cache: Path
    """Folder of compiled graphs."""
    model: str
    models: Path | None = None
    device: str = "auto"
    pictures: Path | None = None
    """Folder for the card's pictures; None: none are written."""


@dataclass(frozen=True)
class RunFiles:
    """Files that a run writes, and how often; positions are in the trainer's unit."""

    state: Path
    log: Path
    describe: Callable[[Record], str]
    """A row of the log in a few words, for the progress bar."""
    log_every: int = LOG_EVERY_STEPS
    save_every: int = SAVE_EVERY_STEPS
    write_samples: Callable[[], None] | None = None
    """Writer of sample pictures, called after each state but the last."""


def run_training(
    trainer: FixedLengthTrainer,
    files: RunFiles,
    *,
    resume: bool,
    initialise: Callable[[], None] | None = None,
) -> None:
    """Start or resume a run and train to its end; the first worker logs and saves.

    ``initialise`` prepares a run that starts anew. Raises InvalidRequestError when the state to
    resume is missing, or one is there and is not to be resumed.
    """
    _start(trainer, files.state, resume=resume, initialise=initialise)
    trainer.workers.barrier()  # no worker writes a state before all have looked for one
    if trainer.workers.rank:
        for _ in trainer.run():
            pass
        return
    with (
        Progress(console=Console(stderr=True)) as bar,
        files.log.open("a", encoding="utf-8") as log,
    ):
        total = trainer.settings.total
        task = bar.add_task("training", total=total, completed=trainer.position)
        _train(trainer, files, _Log(trainer, files, log, bar, task))
    trainer.save(files.state)


def _start(
    trainer: FixedLengthTrainer, state: Path, *, resume: bool, initialise: Callable[[], None] | None
) -> None:
    if resume:
        if not state.is_file():
            raise InvalidRequestError(f"--resume: no state at {state}; start without it")
        trainer.load(state)
    elif state.is_file():
        raise InvalidRequestError(
            f"{state} exists: pass --resume to go on from it, or another --work"
        )
    elif initialise is not None:
        initialise()


def _train(trainer: FixedLengthTrainer, files: RunFiles, log: _Log) -> None:
    saved = trainer.position
    for record in trainer.run():
        log.add(record)
        if trainer.position // files.save_every != saved // files.save_every:
            saved = trainer.position
            trainer.save(files.state)
            if files.write_samples is not None:
                files.write_samples()


class _Log:
    """Means of the figures since the last row, written as one JSON object a line."""

    def __init__(
        self, trainer: FixedLengthTrainer, files: RunFiles, file: Any, bar: Progress, task: TaskID
    ) -> None:
        self._trainer, self._files, self._file, self._bar = trainer, files, file, bar
        self._task = task
        self._restart()

    def add(self, record: Record) -> None:
        """Take a step's figures; write a row when one is due, and at once for a rollback."""
        if ROLLED_BACK in record:
            self._write(record)
            self._bar.console.print(
                f"[yellow]diverged: back to {self._trainer.position} {self._trainer.unit} at "
                f"{record['rate']:g} of the learning rate"
            )
            self._restart()
            return
        self._records.append(record)
        every, position, unit = self._files.log_every, self._trainer.position, self._trainer.unit
        if position // every == self._last // every:
            return
        rate = (position - self._last) / (time.monotonic() - self._started)
        row = {f"{unit}_per_s": rate, **mean_figures(self._records)}
        self._write(row)
        text = f"{rate:.2f} {unit}/s, {self._files.describe(row)}"
        self._bar.update(self._task, completed=position, description=text)
        self._restart()

    def _write(self, row: Record) -> None:
        full = self._trainer.log_position() | row | {"time": round(time.time())}
        self._file.write(json.dumps(full) + "\n")
        self._file.flush()

    def _restart(self) -> None:
        self._started, self._last = time.monotonic(), self._trainer.position
        self._records: list[Record] = []


def mean_figures(records: list[Record]) -> Record:
    """Return for each figure the mean over the records that hold it."""
    keys = sorted({key for record in records for key in record})
    return {
        key: sum(r[key] for r in records if key in r) / sum(key in r for r in records)
        for key in keys
    }
