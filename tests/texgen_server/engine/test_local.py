# SPDX-License-Identifier: Apache-2.0
"""The engine of one machine: the order of jobs, and that it changes no result."""

from __future__ import annotations

import time

import numpy as np
import pytest

from texgen.errors import (
    CancelledError,
    CapacityError,
)
from texgen.modelcard import find_card
from texgen.recipes.build import make_recipe
from texgen_server.config import ServerConfig
from texgen_server.engine.jobs import BATCH, INTERACTIVE, MaterialJob
from texgen_server.engine.local import LocalEngine
from texgen_server.rpc.interceptors import status_of


@pytest.mark.parametrize("devices", ["torch", "torch,torch"])
def test_many_jobs_at_once_come_out_as_they_do_alone(models, devices):
    card = find_card("material", models)
    recipes = [
        make_recipe(card, [(name, 1.0)], seed, (64, 64))
        for name in ("bark", "brick")
        for seed in range(6)
    ]
    alone = LocalEngine(ServerConfig(models=models, device="torch", jobs=1))
    expected = [alone.submit("material", MaterialJob(r)).result(60).maps for r in recipes]
    alone.close(5.0)
    engine = LocalEngine(ServerConfig(models=models, device=devices, jobs=6))
    for _ in range(2):  # the first time batches are tried, then they run
        futures = [
            engine.submit("material", MaterialJob(r, priority=i % 2)) for i, r in enumerate(recipes)
        ]
        for future, maps in zip(futures, expected, strict=True):
            made = future.result(60).maps
            assert all(np.array_equal(made[kind], maps[kind]) for kind in maps)
    assert sum(engine.batches().values()) > 0
    engine.close(5.0)


def test_room_is_kept_for_whoever_cannot_wait(models):
    """While patient jobs hold all but one place, a person's job begins at once."""
    card = find_card("material", models)
    engine = LocalEngine(ServerConfig(models=models, device="torch", jobs=2))
    engine.warm("material")
    slow = [
        engine.submit(
            "material",
            MaterialJob(make_recipe(card, [("bark", 1.0)], s, (1024, 1024)), priority=BATCH),
        )
        for s in range(3)
    ]
    person = engine.submit("material", MaterialJob(make_recipe(card, [("bark", 1.0)], 9, (32, 32))))
    assert person.result(60).maps
    assert not slow[-1].done()
    engine.close(0.0)


def test_a_full_queue_says_when_to_come_back(models, card):
    from texgen.recipes.build import make_recipe

    engine = LocalEngine(ServerConfig(models=models, device="torch", max_queue=1))
    recipe = make_recipe(card, [("bark", 1.0)], 1, (1024, 1024))
    with pytest.raises(CapacityError, match="queue is full"):
        for _ in range(4):
            engine.submit("material", MaterialJob(recipe))
    assert status_of(CapacityError("x"), "").details[0].type_url.endswith("RetryInfo")
    engine.close(5.0)


def test_a_cancelled_job_stops_and_the_engine_lives_on(models, card):
    from texgen.recipes.build import make_recipe

    engine = LocalEngine(ServerConfig(models=models, device="torch"))
    recipe = make_recipe(card, [("bark", 1.0)], 1, (64, 64))
    job = MaterialJob(recipe)
    job.token.cancel()
    with pytest.raises(CancelledError):
        engine.submit("material", job).result(20)
    assert engine.submit("material", MaterialJob(recipe)).result(20).maps
    engine.close(5.0)


def test_interactive_goes_first(models, card):
    from texgen.recipes.build import make_recipe
    from texgen_server.engine.jobs import BATCH

    engine = LocalEngine(ServerConfig(models=models, device="torch", jobs=1))
    order = []
    futures = []
    for name, priority in (("first", BATCH), ("batch", BATCH), ("person", INTERACTIVE)):
        job = MaterialJob(make_recipe(card, [("bark", 1.0)], 1, (512, 512)), priority=priority)
        future = engine.submit("material", job)
        future.add_done_callback(lambda _, n=name: order.append(n))
        futures.append(future)
        if name == "first":
            while engine.queue_depth():
                time.sleep(0.001)
    for future in futures:
        future.result(30)
    assert order == ["first", "person", "batch"]
    engine.close(5.0)
