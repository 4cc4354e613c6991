# SPDX-License-Identifier: Apache-2.0
"""A replica of the cluster, without Ray."""

from __future__ import annotations

import asyncio
import math
import pickle

from texgen.recipes.build import make_recipe
from texgen_server.config import ServerConfig
from texgen_server.engine.jobs import CancelToken, MaterialJob
from texgen_server.engine.replica import Replica, portable_job


def test_a_job_travels_without_its_callbacks_and_with_the_time_it_has_left(card):
    job = MaterialJob(
        make_recipe(card, [("bark", 1.0)], 1, (64, 64)), on_progress=lambda fraction, stage: None
    )
    job.token.cancel()
    sent, left_s = portable_job(job)
    arrived = pickle.loads(pickle.dumps(sent))
    assert arrived.recipe == job.recipe
    arrived.token.check()
    arrived.on_progress(0.5, "computing")
    assert left_s == float("inf")
    assert isinstance(arrived.token, CancelToken)


def test_a_replica_tells_what_ran_once(models, card):
    replica = Replica(ServerConfig(models=models, device="torch"))

    async def told(seed):
        job = MaterialJob(make_recipe(card, [("bark", 1.0)], seed, (64, 64)))
        return [update async for update in replica.run("material", job, math.inf)]

    async def twice():
        return await told(1), await told(2)

    for updates in asyncio.run(twice()):
        names = [what for what, _ in updates]
        assert names[-2:] == ["batches", "result"]
        assert names.count("batches") == 1
        assert sum(dict(updates)["batches"].values()) > 0
    counted = [dict(updates)["batches"] for updates in asyncio.run(twice())]
    replica._engine.close(1.0)
    assert counted[0] == counted[1]
