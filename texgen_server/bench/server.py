# SPDX-License-Identifier: Apache-2.0
"""Runs ``texgen bench server``: time that the server adds to its networks, beside the networks, the
engine and a bare socket in the same run.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from texgen.client import Client
from texgen.maps import Encoding
from texgen.modelcard import find_card
from texgen.recipes.build import make_recipe
from texgen_server.backends import load_backend
from texgen_server.bench.bare import bare_grpc
from texgen_server.bench.options import ServerBench
from texgen_server.bench.report import promise
from texgen_server.bench.server_load import QUEUE, many_clients, overload
from texgen_server.bench.yardsticks import Timed, served, socket_copy_s
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis
from texgen_server.process.settings import tune_this_process
from texgen_server.registry import load_material

CACHE_BYTES = 128 << 20
"""Size of the result cache: full after some dozens of results, as a server's is after a day."""
BEYOND_SHARE, BEYOND_S = 0.15, 0.015
"""Promised time beyond the network's own: a share of it, and seconds."""
STREAM_SHARE = 0.6
"""Promised share of bare gRPC's rate."""
SMALL_CALLS, SMALL_CALLS_WARMUP, SMALL_CALL_MS = 300, 50, 1.5
"""Small calls that are made, those that do not count, and their promised median."""
FIRST_SEED = 1000


def bench_server(options: ServerBench) -> dict[str, Any]:
    """Return rows of promises and measurements: ratios within this run, or absolute limits."""
    tune_this_process()
    flags = {
        "first": ("--cache-bytes", str(CACHE_BYTES), "--max-queue", "64"),
        "overloaded": ("--cache-bytes", "0", "--max-queue", str(QUEUE)),
    }
    with tempfile.TemporaryDirectory() as folder:
        start = partial(served, options.models, options.cache, cache=Path(folder))
        with start(*flags["first"]) as address, Client(address) as client:
            rows = [
                _beyond_the_network(client, options),
                _streaming(client, options),
                _small_calls(client),
                many_clients(address, options),
            ]
        with start(*flags["overloaded"]) as address:
            rows.append(overload(address, options))
    return {"rows": rows}


def _beyond_the_network(client: Client, options: ServerBench) -> dict[str, Any]:
    """Measure a call beyond its network: the same recipes alternately on the bare network here and
    over gRPC, so that both see the same machine.
    """
    card = find_card("material", options.models)
    model = load_material(card)
    timed = Timed(load_backend(model, "auto", "auto", options.cache))
    name, edges = card.classes[0].name, (options.size_px, options.size_px)
    own, calls = [], []
    for seed in range(FIRST_SEED, FIRST_SEED + options.rounds + 1):
        recipe = make_recipe(card, [(name, 1.0)], seed, edges)
        timed.spent_s = 0.0
        Synthesis(timed, model.shape).maps(make_plan(recipe, model.tables, model.shape))
        own.append(timed.spent_s)
        started = time.perf_counter()
        client.generate(name, seed=seed, size_px=edges, encoding=Encoding.RAW)
        calls.append(time.perf_counter() - started)
    timed.close()
    network, call = median(own[1:]), median(calls[1:])
    return promise(
        f"s beyond the network's own, {options.size_px} px RAW",
        call - network,
        BEYOND_SHARE * network + BEYOND_S,
        "s",
        network=f"{network:.3f} s",
        call=f"{call:.3f} s",
    )


def _streaming(client: Client, options: ServerBench) -> dict[str, Any]:
    """Measure a result from the cache against as many bytes over a socket and over bare gRPC,
    alternately.
    """
    card = find_card("material", options.models)
    wanted = {"seed": 1, "size_px": (2 * options.size_px,) * 2, "encoding": Encoding.RAW}
    material = client.generate(card.classes[0].name, **wanted)  # type: ignore[arg-type]
    size = sum(len(packed.data) for packed in material.maps.values())
    while not client.generate(card.classes[0].name, **wanted).cache_hit:  # type: ignore[arg-type]
        time.sleep(0.05)
    times: dict[str, list[float]] = {"texgen": [], "socket": [], "lossy socket": [], "gRPC": []}
    with bare_grpc() as grpc_copy_s:
        for _ in range(options.rounds + 1):
            started = time.perf_counter()
            client.generate(card.classes[0].name, **wanted)  # type: ignore[arg-type]
            times["texgen"].append(time.perf_counter() - started)
            times["socket"].append(socket_copy_s(size, keep=True))
            times["lossy socket"].append(socket_copy_s(size, keep=False))
            times["gRPC"].append(grpc_copy_s(size))
    rates = {name: size / median(found[1:]) / 1e6 for name, found in times.items()}
    notes = {name.replace(" ", "_"): f"{rate:.0f} MB/s" for name, rate in rates.items()}
    # bare gRPC itself has 0.5 to 0.65 of it
    notes["share_of_socket"] = f"{rates['texgen'] / rates['socket']:.2f}"
    return promise(
        "streamed, checked bytes, share of bare gRPC's rate, which checks nothing",
        rates["texgen"] / rates["gRPC"],
        -STREAM_SHARE,
        "",
        **notes,
    )


def _small_calls(client: Client) -> dict[str, Any]:
    """Measure a call that computes nothing."""
    times = []
    for _ in range(SMALL_CALLS):
        started = time.perf_counter()
        client.server_info()
        times.append((time.perf_counter() - started) * 1e3)
    counted = times[SMALL_CALLS_WARMUP:]
    p99 = f"{np.quantile(counted, 0.99):.2f} ms"
    return promise("a small call, median", median(counted), SMALL_CALL_MS, "ms", p99=p99)
