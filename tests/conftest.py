# SPDX-License-Identifier: Apache-2.0
"""Shared fixtures: a tiny random model (no shipped weights, no GPU) and a real server that hosts it."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.tiny import write_tiny_environment, write_tiny_estimator, write_tiny_model, write_tiny_upscaler
from texgen import find_card
from texgen.client import Client
from texgen_server.config import ServerConfig
from texgen_server.precision import allowed
from texgen_server.rpc.server import EmbeddedServer


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Compiled graphs of the tests stay out of the user's cache, unless CI shares one between runs."""
    os.environ.setdefault("TEXGEN_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A folder of models with a tiny random model of each kind."""
    folder = tmp_path_factory.mktemp("models")
    write_tiny_model(folder / "material")
    write_tiny_upscaler(folder / "upscaler")
    write_tiny_estimator(folder / "estimator")
    write_tiny_environment(folder / "environment")
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


class _NoBfloat16(TorchDispatchMode):
    """Fails where torch makes a tensor in bfloat16: this CPU would emulate it, a hundred times slower than float32."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if any(isinstance(t, torch.Tensor) and t.dtype is torch.bfloat16 for t in tree_leaves(made)):
            raise AssertionError(f"{func} computes in bfloat16, which this CPU would emulate: ask texgen_server.precision")
        return made


@pytest.fixture
def nothing_emulated():
    """The test fails where torch computes in bfloat16, in its own thread, on a CPU without it or on one that is held to less."""
    if "bf16" not in allowed("torch"):
        with _NoBfloat16():
            yield
    else:
        yield


SLOW_TIMEOUT_S = 1800
"""After which a test hangs that may take minutes: a busy machine needs several times as long as an idle one."""
MAY_TAKE_MINUTES = {"slow", "blender", "window", "node", "browser", "gpu"}


def pytest_collection_modifyitems(items):
    """Give the tests with these markers longer than pyproject.toml gives the fast ones."""
    for item in items:
        if MAY_TAKE_MINUTES & {m.name for m in item.iter_markers()}:
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT_S))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """With TEXGEN_REQUIRED set (``.ci/run`` does), a skip of a test with one of those markers counts as a failure."""
    outcome = yield
    report = outcome.get_result()
    required = set(os.environ.get("TEXGEN_REQUIRED", "").split())
    if report.skipped and required & {m.name for m in item.iter_markers()}:
        report.outcome = "failed"
        report.longrepr = f"required test was skipped: {report.longrepr}"
