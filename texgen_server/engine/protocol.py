# SPDX-License-Identifier: Apache-2.0
"""The interface of an engine, which takes jobs, runs networks and returns maps.

The transport is built on it; how an engine schedules is its own matter.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from texgen.modelcard import ModelCard
from texgen_server.config import ServerConfig
from texgen_server.engine.jobs import Job, Result

JOBS_ON_CPU, JOBS_ON_GPU = 3, 16
"""Jobs at a time on a device, unless configured. Where batches pay off there must be as many jobs
as go into a batch.
"""


@dataclass(frozen=True)
class DeviceInfo:
    """A device and what runs on it."""

    name: str
    engine: str
    """Name of the arithmetic of the loaded models; empty before there are any."""
    memory_used_bytes: int
    precision: str = ""
    instructions: str = ""
    threads: int = 0
    """CPU threads that a network uses; 0 when unknown."""
    why: str = ""
    """The reason for this precision, for people."""


class Engine(Protocol):
    """Runs jobs on devices.

    Implementations may batch jobs; a batch never changes a result.
    """

    def cards(self) -> list[ModelCard]:
        """Return the cards of the models that it offers, sorted by id."""
        ...

    def card(self, model_id: str, kind: str | None = "material") -> ModelCard:
        """Return one card; the empty id is the kind's default model, None any kind.

        Raises NotFoundError, and InvalidRequestError for a model of another kind.
        """
        ...

    def submit(self, model_id: str, job: Job) -> Future[Result]:
        """Queue a job. Raises CapacityError when the queue is full; the future raises LoadError,
        CancelledError.
        """
        ...

    def position(self, job: Job) -> int:
        """Return the number of jobs ahead of this one; 0 once it runs."""
        ...

    def queue_depth(self) -> int:
        """Return the number of jobs that wait."""
        ...

    def load(self, model_id: str) -> Future[None]:
        """Load and compile a model before the jobs that wait.

        The future raises NotFoundError, LoadError.
        """
        ...

    def unload(self, model_id: str) -> Future[bool]:
        """Release a model's memory when the running job is done; the future says whether it was
        loaded.
        """
        ...

    def loaded(self) -> list[str]:
        """Return the ids of the models in memory, sorted."""
        ...

    def batches(self) -> dict[int, int]:
        """Return batch size -> number of runs of a network with that many calls."""
        ...

    def warm(self, model_id: str = "") -> None:
        """Load and compile a model now instead of at its first job; the empty id is the default
        material model. Raises LoadError.
        """
        ...

    def devices(self) -> list[DeviceInfo]:
        """Return the devices that it runs on."""
        ...

    def name(self) -> str:
        """Return the name of the arithmetic that results will carry
        (`precision.Arithmetic.name`): the same name, the same bytes.
        """
        ...

    def close(self, grace_s: float) -> None:
        """Finish running jobs within ``grace_s``, cancel waiting ones, release the devices."""
        ...


def jobs_at_a_time(config: ServerConfig, *, gpu: bool) -> int:
    """Return the number of jobs that run at a time on one device."""
    return config.jobs or (JOBS_ON_GPU if gpu else JOBS_ON_CPU)
