# SPDX-License-Identifier: Apache-2.0
"""A run of so many steps: what the command line says of it, where it starts, its log, progress and
saving.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import Progress

from texgen.errors import InvalidRequestError

LOG_EVERY, SAVE_EVERY = 50, 250
Record = dict[str, float]


@dataclass(frozen=True)
class StepwiseRun:
    """What the command line says."""

    data: Path
    work: Path
    steps: int
    resume: bool = False
    export: Path | None = None
    version: str = "0.1.0"


@dataclass(frozen=True)
class StepwiseEval:
    """What the command line says of a measurement."""

    data: Path
    work: Path
    cache: Path
    """Of compiled graphs."""
    model: str
    models: Path | None = None
    device: str = "auto"
    pictures: Path | None = None
    """Where the card's pictures go; None: nowhere."""


class StepwiseTrainer(Protocol):
    """What is trained step by step."""

    step_number: int

    def run(self) -> Iterator[Record]:
        """Train to the end; yields each step's figures, ``loss`` among them."""


def start(state: Path, *, resume: bool, load: Callable[[Path], None]) -> None:
    """``load(state)`` to go on.

    Raises InvalidRequestError when a state is missing, or there and not asked for.
    """
    if resume:
        if not state.is_file():
            raise InvalidRequestError(f"--resume: no state at {state}; start without it")
        load(state)
    elif state.is_file():
        raise InvalidRequestError(
            f"{state} exists: pass --resume to go on from it, or another --work"
        )


def run_logged(
    trainer: StepwiseTrainer,
    steps: int,
    log: Path,
    save: Callable[[], None],
    describe: Callable[[Record], str],
) -> None:
    """Train to ``steps``: means of the figures go to ``log`` (a JSON object a line), ``save`` is
    called now and then and at the end.
    """
    started, seen = time.monotonic(), []
    with Progress(console=Console(stderr=True)) as bar, log.open("a", encoding="utf-8") as file:
        task = bar.add_task("training", total=steps, completed=trainer.step_number)
        for record in trainer.run():
            seen.append(record)
            if trainer.step_number % LOG_EVERY == 0:
                rate, means = len(seen) / (time.monotonic() - started), mean_figures(seen)
                file.write(
                    json.dumps({"step": trainer.step_number, "steps_per_s": rate, **means}) + "\n"
                )
                file.flush()
                bar.update(
                    task,
                    completed=trainer.step_number,
                    description=f"{rate:.2f} steps/s, {describe(means)}",
                )
                started, seen = time.monotonic(), []
            if trainer.step_number % SAVE_EVERY == 0:
                save()
    save()


def mean_figures(records: list[Record]) -> Record:
    """Of each figure the mean over the records that have it."""
    keys = sorted({key for record in records for key in record})
    return {
        key: sum(r[key] for r in records if key in r) / sum(key in r for r in records)
        for key in keys
    }
