# SPDX-License-Identifier: Apache-2.0
"""The engine on a Ray cluster of several nodes on this machine: the same bytes as the local engine,
and nothing lost with a node.

Run by `test_cluster` in a process of its own: Ray leaves sockets, files and threads to the end of
the process.
"""

from __future__ import annotations

import os
import tempfile
import time

import numpy as np
import pytest

from texgen import find_card
from texgen.client import Client
from texgen.errors import CancelledError, CapacityError, InvalidRequestError
from texgen.maps import Encoding
from texgen.recipes.build import make_recipe
from texgen_server.config import ServerConfig
from texgen_server.engine.jobs import MaterialJob
from texgen_server.engine.local import LocalEngine
from texgen_server.rpc.server import EmbeddedServer


@pytest.fixture(scope="module")
def cluster():
    """A head without room for replicas, and two nodes with room for one each."""
    from ray.cluster_utils import Cluster

    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": tempfile.mkdtemp(prefix="ray", dir="/tmp"),
    }
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.workers = [made.add_node(num_cpus=2) for _ in range(2)]
    yield made
    import ray
    from ray import serve

    serve.shutdown()
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def config(models, cluster):
    return ServerConfig(
        port=0,
        models=models,
        device="torch",
        grace_s=2.0,
        engine="ray",
        ray_address=cluster.address,
        ray_min_replicas=2,
        ray_max_replicas=2,
    )


@pytest.fixture(scope="module")
def server(config):
    with EmbeddedServer(config) as running:
        yield running


def generate(client, seed, size=64):
    return client.generate("bark", seed=seed, size_px=(size, size), encoding=Encoding.RAW)


def test_the_same_bytes_as_the_local_engine(server, models):
    engine = LocalEngine(ServerConfig(models=models, device="torch", threads=2))
    card = find_card("material", models)
    with Client(server.address) as client:
        for seed in range(4):
            made = generate(client, seed)
            alone = engine.submit(
                "material", MaterialJob(make_recipe(card, [("bark", 1.0)], seed, (64, 64)))
            ).result(60)
            assert made.engine == alone.engine
            for kind, pixels in alone.maps.items():
                assert made.maps[kind].data == np.ascontiguousarray(pixels).tobytes()
    engine.close(5.0)


def test_progress_errors_and_models_come_through(server):
    seen = []
    with Client(server.address) as client:
        client.generate(
            "bark", seed=1, size_px=(256, 256), on_progress=lambda p: seen.append(p.stage)
        )
        assert "done" in seen
        client.load_model("upscaler")
        with pytest.raises(InvalidRequestError, match="models_bytes"):
            client.unload_model("upscaler")
        assert any(device.name.startswith("ray:") for device in client.server_info().devices)
        assert len(generate(client, 2).maps) == 6


def test_who_leaves_is_not_worked_for(server):
    with (
        Client(server.address, deadline_s=0.4, retry=False) as hurried,
        pytest.raises((CancelledError, CapacityError)),
    ):
        generate(hurried, 1, 4096)
    with Client(server.address) as client:
        end = time.monotonic() + 30
        while client.server_info().queue_depth and time.monotonic() < end:
            time.sleep(0.1)
        assert generate(client, 3).maps


def test_a_node_is_removed_under_load_and_nothing_is_lost(server, cluster):
    """Two hundred calls, and a node gone in the midst of them."""
    import concurrent.futures

    with Client(server.address, deadline_s=120.0) as client:
        expected = {
            seed: {k: p.data for k, p in generate(client, seed).maps.items()} for seed in range(5)
        }
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(generate, client, n % 5, 64) for n in range(200)]
            while sum(call.done() for call in calls) < 40:
                time.sleep(0.02)
            cluster.remove_node(cluster.workers.pop(), allow_graceful=False)
            for number, call in enumerate(calls):
                assert {k: p.data for k, p in call.result(120).maps.items()} == expected[number % 5]
