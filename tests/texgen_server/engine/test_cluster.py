# SPDX-License-Identifier: Apache-2.0
"""The engine on a Ray cluster: see `cluster_scenarios`, which runs in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from texgen.errors import LoadError
from texgen_server.config import ServerConfig
from texgen_server.engine import load_engine

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
    environment = os.environ | {"PYTHONPATH": str(here.parents[2])}  # for the replicas
    done = subprocess.run(
        command, cwd=here, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "4 passed" in done.stdout


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
