# SPDX-License-Identifier: Apache-2.0
"""The engine on a Ray cluster: see `cluster_scenarios`, which runs in a process of its own."""

from __future__ import annotations

import asyncio
import math
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import pytest

from texgen.errors import LoadError
from texgen.recipes.build import make_recipe
from texgen_server.config import ServerConfig
from texgen_server.engine import load_engine
from texgen_server.engine.jobs import CancelToken, MaterialJob
from texgen_server.engine.replica import Replica, portable_job

WITHOUT = [
    word
    for plugin in ("unraisableexception", "threadexception", "hypothesispytest")
    for word in ("-p", f"no:{plugin}")
]
"""What Ray leaves behind would be told of; and CPython 3.11's parser, which rewriting assertions
takes, fails where other threads print tracebacks (CPython issue 106905).
"""


@pytest.mark.slow
def test_a_cluster_of_nodes_on_this_machine():
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "--assert=plain",
        "--disable-warnings",
        "-o",
        "filterwarnings=",
        *WITHOUT,
        "cluster_scenarios.py",
    ]
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": str(here.parents[1])}  # for the replicas
    done = subprocess.run(
        command, cwd=here, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "4 passed" in done.stdout


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


def test_without_ray_the_reason_is_told(monkeypatch, models):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LoadError, match=r"texgen\[cluster\]"):
        load_engine(ServerConfig(models=models, engine="ray"))


def test_a_cluster_leaves_the_environment_of_the_program_alone(monkeypatch, models):
    """Ray is started without its usage statistics, by a variable that does not stay."""
    seen = {}

    def init(**_):
        seen.update(os.environ)
        raise ConnectionError("no cluster")

    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    before = dict(os.environ)
    ray = types.ModuleType("ray")
    ray.is_initialized, ray.init, ray.serve = (lambda: False), init, types.ModuleType("ray.serve")
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(LoadError, match="no cluster"):
        load_engine(ServerConfig(models=models, engine="ray"))
    assert seen["RAY_USAGE_STATS_ENABLED"] == "0"
    assert dict(os.environ) == before


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
