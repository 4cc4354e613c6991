# SPDX-License-Identifier: Apache-2.0
"""The work of each kind of job: the only table that a new kind of work is entered in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from texgen.maps import Border, MapKind
from texgen.recipes.recipe import Recipe
from texgen_server.backend import Backend
from texgen_server.capture.loader import CaptureFunction, load_capture
from texgen_server.engine.jobs import (
    CaptureJob,
    EnvironmentJob,
    Job,
    MaterialJob,
    RepairJob,
    Result,
    UpscaleJob,
)
from texgen_server.environment.controls import apply_controls
from texgen_server.environment.render import PanoramaRenderer
from texgen_server.environment.scene import make_scene
from texgen_server.material.canvas import Rectangle
from texgen_server.material.plan import Plan
from texgen_server.material.postprocess import store_normal
from texgen_server.material.previews import pixels_preview
from texgen_server.material.raw_cache import RawMapCache
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis
from texgen_server.networks.channels import CLEAN_SCALE
from texgen_server.registry import EnvironmentModel, LoadedModel, MaterialModel, UpscalerModel
from texgen_server.repair.options import RepairOptions
from texgen_server.repair.pipeline import repair_maps
from texgen_server.upscaling.tiled import TiledUpscaler

STARTED = 0.05
"""Share of the progress that a job reports when its work begins."""
COMPUTED = 0.7
"""Share of the progress that computing takes; packing and sending take the rest."""
CAPTURED = 0.65
"""Share of the progress at the end of the search of a capture."""
GENERATED = 0.3
"""Share of the computing that the generator takes where the upscaler follows."""

ENLARGEMENTS = {2: (2,), 4: (4,), 8: (4, 2)}
"""Scale of a panorama -> the scales of the upscaler that make it."""


@dataclass(frozen=True)
class DeviceCaches:
    """Values that a device keeps from one job for the next."""

    captures: dict[str, CaptureFunction] = field(default_factory=dict)
    """Digest of a model -> its capture function."""
    raw_maps: RawMapCache = field(default_factory=RawMapCache)

    def clear(self) -> None:
        """Drop everything."""
        self.captures.clear()
        self.raw_maps.clear()


class LoadedNetwork(NamedTuple):
    """A model and the backend that runs its network."""

    model: LoadedModel
    backend: Backend


def run_job(job: Job, loaded: Sequence[LoadedNetwork], caches: DeviceCaches) -> Result:
    """Do a job's work with its model and its helpers.

    Raises CancelledError, InvalidRequestError, LoadError.
    """
    job.on_progress(STARTED, "computing")
    result = RUNNERS[type(job)](job, loaded, caches)
    job.on_progress(COMPUTED, "encoding")
    return result


def _run_material(
    job: MaterialJob, loaded: Sequence[LoadedNetwork], caches: DeviceCaches
) -> Result:
    model = loaded[0].model
    assert isinstance(model, MaterialModel)
    plan = make_plan(
        job.recipe.before_upscaling(), model.tables, model.shape, endless=job.endless, mask=job.mask
    )
    raw_cache = caches.raw_maps if job.exploring else RawMapCache(0)
    return _make_maps(job, job.recipe, plan, loaded, raw_cache, job.rectangle)


def _run_capture(job: CaptureJob, loaded: Sequence[LoadedNetwork], caches: DeviceCaches) -> Result:
    model = loaded[0].model
    assert isinstance(model, MaterialModel)
    if model.card.digest not in caches.captures:
        caches.captures.clear()
        caches.captures[model.card.digest] = load_capture(model)

    def report(fraction: float) -> None:
        job.on_progress(STARTED + (CAPTURED - STARTED) * fraction, "capturing")

    find_recipe = caches.captures[model.card.digest]
    recipe = find_recipe(job.photo, job.options, job.token.check, report)
    plan = make_plan(recipe.before_upscaling(), model.tables, model.shape)
    return _make_maps(job, recipe, plan, loaded, RawMapCache(0))


def _make_maps(
    job: Job,
    recipe: Recipe,
    plan: Plan,
    loaded: Sequence[LoadedNetwork],
    raw_cache: RawMapCache,
    rectangle: Rectangle | None = None,
) -> Result:
    """Run the generator on a plan, and the upscaler where the recipe has detail."""
    model, backend = loaded[0]
    assert isinstance(model, MaterialModel)
    generated = GENERATED if recipe.detail else 1.0
    show = partial(job.on_preview, MapKind.BASECOLOR)
    synthesis = Synthesis(
        backend,
        model.shape,
        check=job.token.check,
        on_progress=_reporter(job, 0.0, generated),
        on_preview=show,
        raw_cache=raw_cache,
    )
    maps, relief_tiles = synthesis.maps(plan, rectangle)
    if recipe.detail:
        show(pixels_preview(maps[MapKind.BASECOLOR]))
        scale = recipe.detail.scale
        upscaler = _upscaler(loaded[1], job, scale, Border.WRAP, _reporter(job, generated, 1.0))
        maps = upscaler.maps(maps)
        store_normal(maps, relief_tiles * plan.canvas.tile_px * scale)
    return Result(maps, recipe, relief_tiles)


def _run_environment(
    job: EnvironmentJob, loaded: Sequence[LoadedNetwork], _caches: DeviceCaches
) -> Result:
    model, backend = loaded[0]
    assert isinstance(model, EnvironmentModel)
    scene = apply_controls(make_scene(job.recipe, model.tables), job.recipe.controls, model.tables)
    renderer = PanoramaRenderer(
        backend,
        model.params.noise_channels,
        model.params.levels,
        check=job.token.check,
        on_preview=partial(job.on_preview, MapKind.ENVIRONMENT),
    )
    scale = job.recipe.detail.scale if job.recipe.detail else 1
    enlarge = _panorama_enlarger(loaded[1], job, scale) if scale > 1 else None
    panorama, lights = renderer.panorama(scene, enlarge)
    return Result({MapKind.ENVIRONMENT: panorama}, job.recipe, lights=lights)


def _panorama_enlarger(
    upscaler: LoadedNetwork, job: Job, scale: int
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Make a function (3, H, 2 H) -> (3, scale H, 2 scale H): at most four times in one step."""
    steps = ENLARGEMENTS[scale]

    def enlarge(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        share = (1.0 - GENERATED) / len(steps)
        for number, step in enumerate(steps):
            start = GENERATED + share * number
            report = _reporter(job, start, start + share)
            planes = _upscaler(upscaler, job, step, Border.PANORAMA, report).color_planes(planes)
        return planes

    return enlarge


def _run_upscale(job: UpscaleJob, loaded: Sequence[LoadedNetwork], _caches: DeviceCaches) -> Result:
    return Result(_upscaler(loaded[0], job, job.scale, job.border, _reporter(job)).maps(job.maps))


def _run_repair(job: RepairJob, loaded: Sequence[LoadedNetwork], _caches: DeviceCaches) -> Result:
    card = loaded[0].model.card
    share = np.array([name == job.class_name for name in card.class_names()], np.float32)
    cleaner = (
        _upscaler(loaded[-1], job, CLEAN_SCALE, Border.WRAP, lambda _: None) if job.clean else None
    )
    repaired = repair_maps(
        job.maps,
        RepairOptions(job.tiling, job.clean, job.fill, share),
        cleaner,
        loaded[0].backend,
        job.token.check,
        _reporter(job),
    )
    return Result(repaired.maps, relief_tiles=repaired.relief_tiles, steps=repaired.steps)


def _upscaler(
    network: LoadedNetwork,
    job: Job,
    scale: int,
    border: Border,
    on_progress: Callable[[float], None],
) -> TiledUpscaler:
    model, backend = network
    assert isinstance(model, UpscalerModel)
    return TiledUpscaler(
        backend,
        model.params.halo_px,
        scale,
        border,
        check=job.token.check,
        on_progress=on_progress,
    )


def _reporter(job: Job, start: float = 0.0, end: float = 1.0) -> Callable[[float], None]:
    """Make a function that reports a part of the computing, from ``start`` to ``end`` of it."""
    return lambda fraction: job.on_progress(
        STARTED + (COMPUTED - STARTED) * (start + (end - start) * fraction), "computing"
    )


RUNNERS: dict[type[Job], Callable[[Any, Sequence[LoadedNetwork], DeviceCaches], Result]] = {
    MaterialJob: _run_material,
    CaptureJob: _run_capture,
    EnvironmentJob: _run_environment,
    UpscaleJob: _run_upscale,
    RepairJob: _run_repair,
}
