# SPDX-License-Identifier: Apache-2.0
"""The engine: takes jobs, runs networks, returns maps.

Transport is a skin over it; how it schedules is its own affair.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from texgen.errors import CancelledError
from texgen.maps import Border, Light, MapKind, Pixels, Tiling
from texgen.modelcard import ModelCard
from texgen.recipes.recipe import Recipe
from texgen_server.config import ServerConfig
from texgen_server.material.synthesis import Rectangle

INTERACTIVE, BATCH = 0, 1


class CancelToken:
    """Set by whoever no longer wants the result, or by its deadline; checked by the work between
    its steps.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.deadline = math.inf
        """On the monotonic clock."""

    def __reduce__(self) -> tuple[type[CancelToken], tuple[()]]:
        """Sent elsewhere, it is another one: what is set here is not heard there."""
        return CancelToken, ()

    def cancel(self) -> None:
        """Ask the work to stop at its next step."""
        self._event.set()

    def check(self) -> None:
        """Raises CancelledError once cancelled, or past the deadline."""
        if self._event.is_set():
            raise CancelledError("the request was cancelled")
        if time.monotonic() > self.deadline:
            raise CancelledError("the request's deadline has passed")


@dataclass(frozen=True)
class Photo:
    """A photograph and how to capture it."""

    pixels: NDArray[np.float32]
    """(H, W, 3) sRGB in [0, 1]."""
    class_name: str
    """The class to start from; empty: the nearest."""
    palette: tuple[tuple[float, float, float], ...]
    """sRGB in [0, 1], darkest first; empty: the photograph's own colours."""
    steps: int


@dataclass(kw_only=True)
class Job:
    """Work of any kind. ``on_progress(fraction, stage)`` and ``on_preview(kind, (h, w, 3) sRGB)``
    are called from the engine's threads.
    """

    priority: int = INTERACTIVE
    helpers: tuple[str, ...] = ()
    """Ids of models that the work takes besides its own."""
    token: CancelToken = field(default_factory=CancelToken)
    on_progress: Callable[[float, str], None] = lambda fraction, stage: None
    on_preview: Callable[[MapKind, NDArray[np.uint8]], None] = lambda kind, pixels: None

    @property
    def pixels(self) -> int:
        """Of the result: what it is weighed by."""
        raise NotImplementedError


@dataclass
class MaterialJob(Job):
    """One material to make."""

    recipe: Recipe
    rectangle: Rectangle | None = None
    """The part of the field that is wanted; None: the whole torus."""
    endless: bool = False
    mask: NDArray[np.uint8] | None = None
    """(H, W) part of each pixel, for a painted mixture."""
    photo: Photo | None = None
    """A capture: the recipe is found from this, and only size, seed and place count of the one
    given.
    """
    exploring: bool = False
    """A position on the way: the network's picture may come from the one before, where only the
    finish differs.
    """

    @property
    def pixels(self) -> int:
        place = self.rectangle
        return (
            place.width_px * place.height_px
            if place
            else self.recipe.width_px * self.recipe.height_px
        )


@dataclass
class EnvironmentJob(Job):
    """One environment to make; helper: the upscaler, where the recipe has detail."""

    recipe: Recipe

    @property
    def pixels(self) -> int:
        return self.recipe.width_px * self.recipe.height_px


@dataclass
class UpscaleJob(Job):
    """Maps of one size to enlarge."""

    maps: dict[MapKind, Pixels]
    scale: int
    border: Border

    @property
    def pixels(self) -> int:
        return _area(self.maps) * self.scale**2


@dataclass
class RepairJob(Job):
    """Maps of one size to repair, by the estimator where some are filled; helper: the upscaler,
    where they are cleaned.
    """

    maps: dict[MapKind, Pixels]
    tiling: Tiling
    clean: bool
    fill: frozenset[MapKind]
    class_name: str
    """Empty: unknown."""

    @property
    def pixels(self) -> int:
        return _area(self.maps)


def _area(maps: dict[MapKind, Pixels]) -> int:
    """Pixels of the largest map."""
    return max(int(p.shape[0] * p.shape[1]) for p in maps.values())


@dataclass(frozen=True)
class Result:
    """Maps as (H, W, C) arrays, and what is to be told about them."""

    maps: dict[MapKind, Pixels]
    recipe: Recipe | None = None
    """None for what no recipe made."""
    relief_tiles: float = 0.0
    steps: dict[MapKind, tuple[str, ...]] = field(default_factory=dict)
    """What a repair did to each map."""
    lights: tuple[Light, ...] = ()
    """Of an environment."""
    engine: str = ""
    queue_s: float = 0.0
    compute_s: float = 0.0


@dataclass(frozen=True)
class DeviceInfo:
    """A device and what runs on it."""

    name: str
    engine: str
    memory_used_bytes: int
    precision: str = ""
    instructions: str = ""
    threads: int = 0
    """That a network uses on a CPU; 0 when unknown."""
    why: str = ""
    """Why it is this precision, for people."""


JOBS_ON_CPU, JOBS_ON_GPU = 3, 16
"""At a time on a device, unless configured.

Where batches pay there must be as many as go together.
"""


def jobs_at_a_time(config: ServerConfig, *, gpu: bool) -> int:
    """On one device."""
    return config.jobs or (JOBS_ON_GPU if gpu else JOBS_ON_CPU)


class Engine(Protocol):
    """What the front door asks for.

    Implementations may batch jobs; a batch never changes a result.
    """

    def cards(self) -> list[ModelCard]:
        """The models that can be asked for."""
        ...

    def card(self, model_id: str, kind: str | None = "material") -> ModelCard:
        """One of them; the empty id is the kind's own, None any kind.

        Raises NotFoundError, and InvalidRequestError for one of another kind.
        """
        ...

    def submit(self, model_id: str, job: Job) -> Future[Result]:
        """Queue a job. Raises CapacityError when the queue is full; the future raises LoadError,
        CancelledError.
        """
        ...

    def position(self, job: Job) -> int:
        """Jobs ahead of this one; 0 once it runs."""
        ...

    def queue_depth(self) -> int:
        """Jobs waiting."""
        ...

    def load(self, model_id: str) -> Future[None]:
        """Load and compile a model before the jobs that wait.

        The future raises NotFoundError, LoadError.
        """
        ...

    def unload(self, model_id: str) -> Future[bool]:
        """Release a model's memory when the running job is done; the result says whether it was
        loaded.
        """
        ...

    def loaded(self) -> list[str]:
        """Ids of the models in memory, sorted."""
        ...

    def batches(self) -> dict[int, int]:
        """How often so many calls of a network ran together."""
        ...

    def warm(self, model_id: str = "") -> None:
        """Load and compile a model now instead of at its first job; the empty id is the default
        material model. Raises LoadError.
        """
        ...

    def devices(self) -> list[DeviceInfo]:
        """What it runs on."""
        ...

    def name(self) -> str:
        """The arithmetic that results will carry (`precision.Arithmetic.name`): the same name, the
        same bytes.
        """
        ...

    def close(self, grace_s: float) -> None:
        """Finish what runs within ``grace_s``, cancel what waits, release the devices."""
        ...
