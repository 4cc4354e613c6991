# SPDX-License-Identifier: Apache-2.0
"""What a job of each kind does with its model: the only table that a new kind of work is entered in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from texgen.recipe import MaterialRecipe
from texgen_server.backends.base import Backend
from texgen_server.engine.base import Job, MaterialJob, Result, UpscaleJob
from texgen_server.registry import LoadedModel, MaterialModel
from texgen_server.sampling import make_plan
from texgen_server.synthesis import Synthesis
from texgen_server.upscaling import Upscaling

COMPUTED = 0.7
"""Share of the progress that computing takes; packing and sending take the rest."""

Kept = dict[str, Any]
"""What an engine keeps from one job for the next, by the model's digest."""


def run_job(job: Job, model: LoadedModel, backend: Backend, kept: Kept) -> Result:
    """Do a job's work. Raises CancelledError, InvalidRequestError, LoadError."""
    job.on_progress(0.05, "computing")
    result = RUNNERS[type(job)](job, model, backend, kept)
    job.on_progress(COMPUTED, "encoding")
    return result


def _run_material(job: MaterialJob, model: MaterialModel, backend: Backend, kept: Kept) -> Result:
    recipe = _captured(job, model, kept) if job.photo else job.recipe
    plan = make_plan(recipe, model.tables, model.shape, endless=job.endless, mask=job.mask)
    synthesis = Synthesis(backend, model.shape, check=job.token.check, on_progress=_reporter(job))
    maps, relief_tiles = synthesis.maps(plan, job.rectangle)
    return Result(maps, recipe, relief_tiles)


def _captured(job: MaterialJob, model: MaterialModel, kept: Kept) -> MaterialRecipe:
    """Find the recipe of a job's photograph; torch is imported here, when it is needed."""
    from texgen_server.capture import CaptureNetworks, CaptureOptions, capture

    if model.card.digest not in kept:
        kept.clear()
        kept[model.card.digest] = CaptureNetworks(model)
    assert job.photo is not None
    size = (job.recipe.width_px, job.recipe.height_px)
    options = CaptureOptions(job.recipe.seed, size, job.photo.class_name, job.photo.palette, job.photo.steps)
    networks: CaptureNetworks = kept[model.card.digest]
    return capture(networks, job.photo.pixels, options, job.token.check, lambda f: job.on_progress(0.05 + 0.6 * f, "capturing"))


def _run_upscale(job: UpscaleJob, model: LoadedModel, backend: Backend, _kept: Kept) -> Result:
    halo_px = int(model.card.network["halo_px"])
    upscaling = Upscaling(backend, halo_px, job.scale, job.border, check=job.token.check, on_progress=_reporter(job))
    return Result(upscaling.maps(job.maps))


def _reporter(job: Job) -> Callable[[float], None]:
    return lambda fraction: job.on_progress(0.05 + (COMPUTED - 0.05) * fraction, "computing")


RUNNERS: dict[type[Job], Callable[[Any, Any, Backend, Kept], Result]] = {MaterialJob: _run_material, UpscaleJob: _run_upscale}
