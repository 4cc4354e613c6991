# SPDX-License-Identifier: Apache-2.0
"""Jobs of each kind, as the engine takes them, and the result that comes back.

A job is complete when it is made: what to do, how urgent it is, until when, and who is told of its
progress. Nothing is changed afterwards.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from texgen.errors import CancelledError
from texgen.maps import Border, Light, MapKind, Pixels, Tiling
from texgen.recipes.recipe import Recipe
from texgen_server.capture.options import CaptureOptions
from texgen_server.material.canvas import Rectangle

INTERACTIVE, BATCH = 0, 1
"""Priorities: a lower one goes first."""
LARGE_PIXELS = 2048 * 2048
"""The engine runs at most one job of more pixels at a time on a device, or memory would run out;
smaller ones run beside it.
"""

ProgressCallback = Callable[[float, str], None]
"""Takes the finished share in [0, 1] and the name of the stage."""
PreviewCallback = Callable[[MapKind, NDArray[np.uint8]], None]
"""Takes the kind of map and a small picture (h, w, 3), sRGB."""


class CancelToken:
    """Stops work between its steps: when it is cancelled, or when its deadline has passed."""

    def __init__(self, deadline: float = math.inf) -> None:
        """``deadline`` is a time of the monotonic clock, in seconds."""
        self._event = threading.Event()
        self.deadline = deadline

    def __reduce__(self) -> tuple[type[CancelToken], tuple[()]]:
        """Pickle as a fresh token: a copy in another process cannot see what is set here."""
        return CancelToken, ()

    def cancel(self) -> None:
        """Ask the work to stop at its next step."""
        self._event.set()

    def check(self) -> None:
        """Raise CancelledError once cancelled, or past the deadline."""
        if self._event.is_set():
            raise CancelledError("the request was cancelled")
        if time.monotonic() > self.deadline:
            raise CancelledError("the request's deadline has passed")


def ignore_progress(_fraction: float, _stage: str) -> None:
    """Do nothing: the progress callback of a job that nobody follows."""


def ignore_preview(_kind: MapKind, _pixels: NDArray[np.uint8]) -> None:
    """Do nothing: the preview callback of a job that nobody follows."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Job:
    """Work of any kind. Two jobs are never equal; a job is known by its identity."""

    priority: int = INTERACTIVE
    helpers: tuple[str, ...] = ()
    """Ids of the models that the work needs besides its own."""
    token: CancelToken = field(default_factory=CancelToken)
    on_progress: ProgressCallback = ignore_progress
    """Called from the engine's threads."""
    on_preview: PreviewCallback = ignore_preview
    """Called from the engine's threads."""

    @property
    def pixels(self) -> int:
        """Number of pixels of the result: the weight of the job in admission."""
        raise NotImplementedError

    @property
    def large(self) -> bool:
        """True for a job beside which a device runs no other large one."""
        return self.pixels > LARGE_PIXELS

    @property
    def seed(self) -> int:
        """The seed of the result; 0 for work that has none."""
        return 0


@dataclass(frozen=True, eq=False)
class MaterialJob(Job):
    """Generation of one material; helper: the upscaler, where the recipe has detail."""

    recipe: Recipe
    rectangle: Rectangle | None = None
    """The part of the field to generate; None: the whole torus."""
    endless: bool = False
    """True for a field that never repeats."""
    mask: NDArray[np.uint8] | None = None
    """Index of the part that each pixel belongs to, (H, W), for a painted mixture."""
    exploring: bool = False
    """True while a slider moves: the raw maps of the position before are reused where only the
    postprocessing differs.
    """

    @property
    def pixels(self) -> int:
        place = self.rectangle
        return (
            place.width_px * place.height_px
            if place
            else self.recipe.width_px * self.recipe.height_px
        )

    @property
    def seed(self) -> int:
        return self.recipe.seed


@dataclass(frozen=True, eq=False)
class CaptureJob(Job):
    """Search for the recipe of a photograph, and generation of its material."""

    photo: NDArray[np.float32]
    """Photograph (H, W, 3), sRGB in [0, 1]."""
    options: CaptureOptions

    @property
    def pixels(self) -> int:
        width_px, height_px = self.options.size_px
        return width_px * height_px

    @property
    def large(self) -> bool:
        """Always true: a capture takes the memory of a training step."""
        return True

    @property
    def seed(self) -> int:
        return self.options.seed


@dataclass(frozen=True, eq=False)
class EnvironmentJob(Job):
    """Generation of one environment; helper: the upscaler, where the recipe has detail."""

    recipe: Recipe

    @property
    def pixels(self) -> int:
        return self.recipe.width_px * self.recipe.height_px

    @property
    def seed(self) -> int:
        return self.recipe.seed


@dataclass(frozen=True, eq=False)
class UpscaleJob(Job):
    """Enlargement of maps of one size."""

    maps: dict[MapKind, Pixels]
    scale: int
    border: Border

    @property
    def pixels(self) -> int:
        return _largest_area(self.maps) * self.scale**2


@dataclass(frozen=True, eq=False)
class RepairJob(Job):
    """Repair of maps of one size, by the estimator where some are filled; helper: the upscaler,
    where they are cleaned.
    """

    maps: dict[MapKind, Pixels]
    tiling: Tiling
    clean: bool
    fill: frozenset[MapKind]
    """Maps to make where they are missing."""
    class_name: str
    """Class of the material; empty: unknown."""

    @property
    def pixels(self) -> int:
        return _largest_area(self.maps)


def _largest_area(maps: dict[MapKind, Pixels]) -> int:
    """Return the number of pixels of the largest map."""
    return max(int(p.shape[0] * p.shape[1]) for p in maps.values())


@dataclass(frozen=True)
class Result:
    """Finished maps and what is known of them."""

    maps: dict[MapKind, Pixels]
    """Arrays (H, W, C) in the dtypes of `MAP_SPECS`."""
    recipe: Recipe | None = None
    """The recipe; None for maps that no recipe makes."""
    relief_tiles: float = 0.0
    """Height of white over black as a fraction of the tile's edge."""
    steps: dict[MapKind, tuple[str, ...]] = field(default_factory=dict)
    """Steps that a repair took for each map."""
    lights: tuple[Light, ...] = ()
    """Lights of an environment, the brightest first."""
    engine: str = ""
    """Name of the arithmetic (`precision.Arithmetic.name`)."""
    queue_s: float = 0.0
    compute_s: float = 0.0
