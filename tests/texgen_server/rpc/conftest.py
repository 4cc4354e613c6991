# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of the transport."""

from __future__ import annotations

import pytest

from tests.texgen_server.rpc.fault_calls import ROWS, ask
from tests.texgen_server.rpc.faults import ServerProcess, Tally
from texgen.client import Client


@pytest.fixture(scope="module")
def parts(server):
    with Client(server, "secret") as client:
        yield (
            client.generate("brick", seed=3, size_px=(128, 128)),
            client.generate("rock", seed=4, size_px=(128, 128)),
        )


@pytest.fixture
def tally(request):
    made = Tally(request.node.name.removeprefix("test_").replace("_", " "))
    yield made
    ROWS.append(made.row())


@pytest.fixture(scope="module")
def served(models, tmp_path_factory):
    with ServerProcess(models, tmp_path_factory.mktemp("cache"), "--cache-bytes", "0") as server:
        yield server


@pytest.fixture(scope="module")
def expected(served):
    """What the seeds give where nothing is in the way."""
    with Client(served.address) as client:
        return {seed: ask(client, seed) for seed in range(8)}
