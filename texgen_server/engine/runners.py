# SPDX-License-Identifier: Apache-2.0
"""What a job of each kind does with its model: the only table that a new kind of work is entered
in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from texgen.maps import MapKind, Pixels
from texgen.recipes.recipe import Recipe
from texgen_server.backend import Backend
from texgen_server.engine.base import (
    EnvironmentJob,
    Job,
    MaterialJob,
    RepairJob,
    Result,
    UpscaleJob,
)
from texgen_server.environment.controls import apply_controls
from texgen_server.environment.render import PanoramaRenderer
from texgen_server.environment.scene import draw_scene
from texgen_server.material.postprocess import store_normal
from texgen_server.material.previews import pixels_preview
from texgen_server.material.raw_cache import RawMapCache
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis
from texgen_server.networks.channels import CLEAN_SCALE
from texgen_server.registry import MaterialModel
from texgen_server.repair.pipeline import RepairOptions, repair_maps
from texgen_server.upscaling.tiled import Border, TiledUpscaler

COMPUTED = 0.7
"""Share of the progress that computing takes; packing and sending take the rest."""
DRAWN = 0.3
"""Share of the computing that the generator takes where the upscaler follows."""

ENLARGING = {2: (2,), 4: (4,), 8: (4, 2)}
"""How a panorama comes to so many times its size."""


@dataclass(frozen=True)
class DeviceCaches:
    """What a device keeps from one job for the next."""

    captures: dict[str, Any] = field(default_factory=dict)
    """By the model's digest."""
    recent: RawMapCache = field(default_factory=RawMapCache)

    def clear(self) -> None:
        """Forget all."""
        self.captures.clear()
        self.recent.clear()


class LoadedNetwork(NamedTuple):
    """A model and what runs it."""

    model: Any
    backend: Backend


def run_job(job: Job, loaded: Sequence[LoadedNetwork], caches: DeviceCaches) -> Result:
    """Do a job's work with its model and its helpers.

    Raises CancelledError, InvalidRequestError, LoadError.
    """
    job.on_progress(0.05, "computing")
    result = RUNNERS[type(job)](job, loaded, caches)
    job.on_progress(COMPUTED, "encoding")
    return result


def _run_material(
    job: MaterialJob, loaded: Sequence[LoadedNetwork], caches: DeviceCaches
) -> Result:
    model, backend = loaded[0]
    recipe = _captured(job, model, caches) if job.photo else job.recipe
    plan = make_plan(recipe.drawn(), model.tables, model.shape, endless=job.endless, mask=job.mask)
    drawn = DRAWN if recipe.detail else 1.0
    show = partial(job.on_preview, MapKind.BASECOLOR)
    report = _reporter(job, 0.0, drawn)
    recent = caches.recent if job.exploring else RawMapCache(0)
    synthesis = Synthesis(
        backend,
        model.shape,
        check=job.token.check,
        on_progress=report,
        on_preview=show,
        recent=recent,
    )
    maps, relief_tiles = synthesis.maps(plan, job.rectangle)
    if recipe.detail:
        show(pixels_preview(maps[MapKind.BASECOLOR]))
        upscaling = _upscaling(
            loaded[1], job, recipe.detail.scale, Border.WRAP, _reporter(job, drawn, 1.0)
        )
        maps = upscaling.maps(maps)
        store_normal(maps, relief_tiles * plan.canvas.tile_px * recipe.detail.scale)
    return Result(maps, recipe, relief_tiles)


def _captured(job: MaterialJob, model: MaterialModel, caches: DeviceCaches) -> Recipe:
    """Find the recipe of a job's photograph; torch is imported here, when it is needed."""
    from texgen_server.capture.fit import CaptureNetworks, CaptureOptions, capture

    if model.card.digest not in caches.captures:
        caches.captures.clear()
        caches.captures[model.card.digest] = CaptureNetworks(model)
    assert job.photo is not None
    size = (job.recipe.width_px, job.recipe.height_px)
    options = CaptureOptions(
        job.recipe.seed, size, job.photo.class_name, job.photo.palette, job.photo.steps
    )
    networks: CaptureNetworks = caches.captures[model.card.digest]
    return capture(
        networks,
        job.photo.pixels,
        options,
        job.token.check,
        lambda f: job.on_progress(0.05 + 0.6 * f, "capturing"),
    )


def _run_environment(
    job: EnvironmentJob, loaded: Sequence[LoadedNetwork], _caches: DeviceCaches
) -> Result:
    model, backend = loaded[0]
    scene = apply_controls(draw_scene(job.recipe, model.tables), job.recipe.controls, model.tables)
    network = model.card.network
    show = partial(job.on_preview, MapKind.ENVIRONMENT)
    drawing = PanoramaRenderer(
        backend,
        network["noise_channels"],
        len(network["widths"]),
        check=job.token.check,
        on_preview=show,
    )
    scale = job.recipe.detail.scale if job.recipe.detail else 1
    panorama, lights = drawing.panorama(
        scene, _enlarger(loaded[1], job, scale) if scale > 1 else None
    )
    return Result({MapKind.ENVIRONMENT: panorama}, job.recipe, lights=lights)


def _enlarger(
    upscaler: LoadedNetwork, job: Job, scale: int
) -> Callable[[dict[MapKind, Pixels]], dict[MapKind, Pixels]]:
    """Four times at most at once; a panorama goes on over its poles."""
    steps = ENLARGING[scale]

    def enlarge(maps: dict[MapKind, Pixels]) -> dict[MapKind, Pixels]:
        for number, step in enumerate(steps):
            report = _reporter(
                job,
                DRAWN + (1.0 - DRAWN) * number / len(steps),
                DRAWN + (1.0 - DRAWN) * (number + 1) / len(steps),
            )
            maps = _upscaling(upscaler, job, step, Border.PANORAMA, report).maps(maps)
        return maps

    return enlarge


def _run_upscale(job: UpscaleJob, loaded: Sequence[LoadedNetwork], _caches: DeviceCaches) -> Result:
    return Result(_upscaling(loaded[0], job, job.scale, job.border, _reporter(job)).maps(job.maps))


def _run_repair(job: RepairJob, loaded: Sequence[LoadedNetwork], _caches: DeviceCaches) -> Result:
    card = loaded[0].model.card
    share = np.array([name == job.class_name for name in card.class_names()], np.float32)
    cleaner = (
        _upscaling(loaded[-1], job, CLEAN_SCALE, Border.WRAP, lambda _: None) if job.clean else None
    )
    options = RepairOptions(job.tiling, job.clean, job.fill, share)
    repaired = repair_maps(
        job.maps, options, cleaner, loaded[0].backend, job.token.check, _reporter(job)
    )
    return Result(repaired.maps, relief_tiles=repaired.relief_tiles, steps=repaired.steps)


def _upscaling(
    upscaler: LoadedNetwork,
    job: Job,
    scale: int,
    border: Border,
    on_progress: Callable[[float], None],
) -> TiledUpscaler:
    halo_px = int(upscaler.model.card.network["halo_px"])
    return TiledUpscaler(
        upscaler.backend, halo_px, scale, border, check=job.token.check, on_progress=on_progress
    )


def _reporter(job: Job, start: float = 0.0, end: float = 1.0) -> Callable[[float], None]:
    """Progress of a part of the computing, from ``start`` to ``end`` of it."""
    return lambda fraction: job.on_progress(
        0.05 + (COMPUTED - 0.05) * (start + (end - start) * fraction), "computing"
    )


RUNNERS: dict[type[Job], Callable[[Any, Sequence[LoadedNetwork], DeviceCaches], Result]] = {
    MaterialJob: _run_material,
    EnvironmentJob: _run_environment,
    UpscaleJob: _run_upscale,
    RepairJob: _run_repair,
}
