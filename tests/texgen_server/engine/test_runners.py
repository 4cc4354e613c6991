# SPDX-License-Identifier: Apache-2.0
"""The work of each kind of job."""

from __future__ import annotations

import pytest

from texgen.maps import MapKind
from texgen.modelcard import find_card
from texgen.recipes.build import make_recipe
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.engine import jobs
from texgen_server.engine.jobs import EnvironmentJob, Job, MaterialJob, UpscaleJob
from texgen_server.engine.runners import RUNNERS, DeviceCaches, LoadedNetwork, run_job
from texgen_server.registry import load_model
from texgen_server.upscaling.border import Border


@pytest.fixture(scope="module")
def loaded(models):
    def load(kind):
        model = load_model(find_card(kind, models))
        return LoadedNetwork(model, TorchBackend(model, "cpu", "f32"))

    return load


def test_every_kind_of_job_has_its_work():
    kinds = {
        kind
        for kind in vars(jobs).values()
        if isinstance(kind, type) and issubclass(kind, Job) and kind is not Job
    }
    assert set(RUNNERS) == kinds


@pytest.mark.parametrize("kind", ["material", "environment", "upscaler"])
def test_progress_rises_from_computing_to_encoding(models, card, rng, loaded, kind):
    seen = []
    options = {"on_progress": lambda fraction, stage: seen.append((fraction, stage))}
    if kind == "material":
        job = MaterialJob(make_recipe(card, [("bark", 1.0)], 1, (64, 64)), **options)
    elif kind == "environment":
        environment = find_card("environment", models)
        job = EnvironmentJob(make_recipe(environment, [("indoor", 1.0)], 1, (256, 128)), **options)
    else:
        height = rng.integers(0, 65536, (32, 32, 1)).astype("uint16")
        job = UpscaleJob({MapKind.HEIGHT: height}, 2, Border.WRAP, **options)
    result = run_job(job, [loaded(kind)], DeviceCaches())
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert (seen[0][1], seen[-1]) == ("computing", (0.7, "encoding"))
    assert result.maps
