# SPDX-License-Identifier: Apache-2.0
"""Shared fixtures: a tiny random model (no shipped weights, no GPU) and a real server that hosts
it.
"""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from tests import torchless
from texgen import find_card
from texgen.client import Client
from texgen_server.config import ServerConfig
from texgen_server.precision import allowed
from texgen_server.rpc.server import EmbeddedServer

os.environ.setdefault(
    "GRPC_ENABLE_FORK_SUPPORT", "0"
)  # as the command does: many tests start programs
if torchless.HERE:
    torchless.serve_on_openvino()


def pytest_ignore_collect(collection_path):
    """Leave out what needs torch where there is none; None: as usual."""
    return True if torchless.HERE and torchless.needs_torch(collection_path) else None


SLOW_TIMEOUT_S = 1800
"""After which a test hangs that may take minutes: a busy machine needs several times as long as an
idle one.
"""
MAY_TAKE_MINUTES = {"slow", "blender", "window", "node", "browser", "gpu"}


def pytest_collection_modifyitems(config, items):
    """Leave out tests of torch where there is none; give slow tests longer than pyproject.toml
    gives the fast ones.
    """
    for item in items:
        if MAY_TAKE_MINUTES & {m.name for m in item.iter_markers()}:
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT_S))
    if torchless.HERE:
        config.hook.pytest_deselected(
            items=[item for item in items if item.get_closest_marker("torch")]
        )
        items[:] = [item for item in items if not item.get_closest_marker("torch")]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Compiled graphs of the tests stay out of the user's cache, unless CI shares one
    between runs.
    """
    os.environ.setdefault("TEXGEN_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A folder of models with a tiny random model of each kind."""
    folder = tmp_path_factory.mktemp("models")
    if torchless.HERE:
        return shutil.copytree(torchless.models(), folder, dirs_exist_ok=True)
    from tests.tiny import write_tiny_models

    write_tiny_models(folder)
    return folder


@pytest.fixture(scope="session")
def card(models):
    return find_card("material", models)


@pytest.fixture(scope="session")
def server(models):
    """The address of a real server, torch on the CPU in fp32, with a token."""
    config = ServerConfig(port=0, models=models, device="torch", token="secret", grace_s=1.0)
    with EmbeddedServer(config) as running:
        yield running.address


@pytest.fixture
def client(server):
    with Client(server, "secret") as connected:
        yield connected


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A CA with certificates for the server and for a client, as PEM files."""
    import trustme  # where only the tests of a GPU run it need not be there

    folder, ca = tmp_path_factory.mktemp("tls"), trustme.CA()
    paths = {}
    ca.cert_pem.write_to_path(folder / "ca.pem")
    for who, names in (("server", ["localhost", "127.0.0.1"]), ("artist", ["artist@example.org"])):
        issued = ca.issue_cert(*names)
        issued.cert_chain_pems[0].write_to_path(folder / f"{who}.pem")
        issued.private_key_pem.write_to_path(folder / f"{who}.key")
        paths[who] = (folder / f"{who}.pem", folder / f"{who}.key")
    return paths | {"ca": folder / "ca.pem"}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def nothing_emulated():
    """The test fails where torch computes in bfloat16, in its own thread, on a CPU without it or on
    one that is held to less.
    """
    from tests.emulation import NoBfloat16  # needs torch

    if "bf16" not in allowed("torch"):
        with NoBfloat16():
            yield
    else:
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """With TEXGEN_REQUIRED set (``.ci/run`` does), a skip of a test with one of those markers
    counts as a failure.
    """
    outcome = yield
    report = outcome.get_result()
    required = set(os.environ.get("TEXGEN_REQUIRED", "").split())
    if report.skipped and required & {m.name for m in item.iter_markers()}:
        report.outcome = "failed"
        report.longrepr = f"required test was skipped: {report.longrepr}"
