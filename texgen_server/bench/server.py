# SPDX-License-Identifier: Apache-2.0
"""``texgen bench server``: what the server adds to its networks, beside the networks, the engine
and a bare socket in the same run.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from texgen.client import Client
from texgen.client.aio import AsyncClient
from texgen.errors import CapacityError
from texgen.maps import Encoding
from texgen.modelcard import ModelCard, find_card
from texgen.recipes.build import make_recipe
from texgen_server.backends import load_backend
from texgen_server.bench.bare import bare_grpc
from texgen_server.bench.report import promise
from texgen_server.bench.yardsticks import Timed, engine_rate, served, socket_copy_s
from texgen_server.config import ServerConfig
from texgen_server.engine.local import LocalEngine
from texgen_server.engine.protocol import JOBS_ON_CPU
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis
from texgen_server.process.settings import tune_this_process
from texgen_server.registry import load_material

QUEUE = 8
"""Of the server that is overloaded: four times as many callers as it lets wait."""
OVERLOAD, OVERLOAD_S, OVERLOAD_BEFORE_S = 4, 12.0, 2.0
"""As many times as many callers; so long, after so long in which the engine tries which calls gain
from going together.
"""
CACHE_BYTES = 128 << 20
"""Full after some dozens of results, as a server's is after a day: what a new one costs then."""


@dataclass(frozen=True)
class ServerBench:
    """What the command line says."""

    models: Path | None
    cache: Path
    size_px: int = 1024
    middle_px: int = 512
    small_px: int = 256
    clients: int = 16
    rounds: int = 7


def bench_server(options: ServerBench) -> dict[str, Any]:
    """Rows of what is promised and what was measured; each row is a ratio, or an absolute limit, of
    this run.
    """
    tune_this_process()
    with tempfile.TemporaryDirectory() as folder:
        with (
            served(
                options.models,
                options.cache,
                "--cache-bytes",
                str(CACHE_BYTES),
                "--max-queue",
                "64",
                cache=Path(folder),
            ) as address,
            Client(address) as client,
        ):
            rows = [
                _beyond_the_network(client, options),
                _streaming(client, options),
                _small_calls(client),
            ]
            rows.append(_many_clients(address, options))
        with served(
            options.models,
            options.cache,
            "--cache-bytes",
            "0",
            "--max-queue",
            str(QUEUE),
            cache=Path(folder),
        ) as address:
            rows.append(_overload(address, options))
    return {"rows": rows}


def _beyond_the_network(client: Client, options: ServerBench) -> dict[str, Any]:
    """The same recipes by turns: the bare network here, the call over gRPC there, so that both see
    the same machine.
    """
    card = find_card("material", options.models)
    model = load_material(card)
    timed = Timed(load_backend(model, "auto", "auto", options.cache))
    own, calls = [], []
    for round_number in range(options.rounds + 1):
        recipe = make_recipe(
            card,
            [(card.classes[0].name, 1.0)],
            1000 + round_number,
            (options.size_px, options.size_px),
        )
        timed.spent_s = 0.0
        Synthesis(timed, model.shape).maps(make_plan(recipe, model.tables, model.shape))
        own.append(timed.spent_s)
        started = time.perf_counter()
        client.generate(
            card.classes[0].name,
            seed=1000 + round_number,
            size_px=(options.size_px,) * 2,
            encoding=Encoding.RAW,
        )
        calls.append(time.perf_counter() - started)
    timed.close()
    network, call = median(own[1:]), median(calls[1:])
    allowed = 0.15 * network + 0.015
    return promise(
        f"s beyond the network's own, {options.size_px} px RAW",
        call - network,
        allowed,
        "s",
        network=f"{network:.3f} s",
        call=f"{call:.3f} s",
    )


def _streaming(client: Client, options: ServerBench) -> dict[str, Any]:
    """A result from the cache against as many bytes over a socket and over bare gRPC, by turns."""
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
    told = {name.replace(" ", "_"): f"{rate:.0f} MB/s" for name, rate in rates.items()}
    told["share_of_socket"] = (
        f"{rates['texgen'] / rates['socket']:.2f}"  # bare gRPC itself has 0.5 to 0.65 of it
    )
    return promise(
        "streamed, checked bytes, share of bare gRPC's rate, which checks nothing",
        rates["texgen"] / rates["gRPC"],
        -0.6,
        "",
        **told,
    )


def _small_calls(client: Client) -> dict[str, Any]:
    times = []
    for _ in range(300):
        started = time.perf_counter()
        client.server_info()
        times.append((time.perf_counter() - started) * 1e3)
    return promise(
        "a small call, median",
        median(times[50:]),
        1.5,
        "ms",
        p99=f"{np.quantile(times[50:], 0.99):.2f} ms",
    )


def _many_clients(address: str, options: ServerBench) -> dict[str, Any]:
    """Promised for the middle size; beside it the small one, where a call weighs a fifth of the
    set.
    """
    card = find_card("material", options.models)
    engine = LocalEngine(ServerConfig(models=options.models, cache_folder=options.cache.parent))
    engine.warm("material")
    small, middle = (
        _with_clients(engine, address, card, options, edge)
        for edge in (options.small_px, options.middle_px)
    )
    engine.close(5.0)
    return promise(
        f"sets with {options.clients} clients, share of the engine alone ({options.middle_px} "
        f"px RAW)",
        middle.share,
        -0.85,
        "",
        served=f"{middle.served:.1f}/s",
        engine=f"{middle.alone:.1f}/s",
        clients_cpu=f"{middle.cores:.2f} cores",
        **{f"share_at_{options.small_px}_px": f"{small.share:.2f} ({small.served:.1f}/s)"},
    )


@dataclass(frozen=True)
class _Rates:
    """Sets a second over gRPC and of the engine alone; what the clients used meanwhile."""

    served: float
    alone: float
    cores: float

    @property
    def share(self) -> float:
        return self.served / self.alone


def _with_clients(
    engine: LocalEngine, address: str, card: ModelCard, options: ServerBench, edge_px: int
) -> _Rates:
    """As many clients as wanted, each asking for one set after the other, against the engine alone
    with as many jobs in hand; by turns.
    """
    count, alone, served, busy = 4 * options.clients, [], [], []
    for round_number in range(4):
        first = 10_000 + 1000 * round_number
        alone.append(
            engine_rate(engine, card, edge_px, options.clients, range(first, first + count))
        )
        before, started = _cpu_s(), time.perf_counter()
        served.append(
            asyncio.run(
                _served_rate(
                    address, card, edge_px, options.clients, range(first + 500, first + 500 + count)
                )
            )
        )
        busy.append((_cpu_s() - before) / (time.perf_counter() - started))
    return _Rates(median(served[1:]), median(alone[1:]), median(busy[1:]))


async def _served_rate(
    address: str, card: ModelCard, edge_px: int, clients: int, seeds: range
) -> float:
    async with AsyncClient(address) as client:

        async def one(number: int) -> None:
            for seed in seeds[number::clients]:
                await client.generate(
                    card.classes[0].name, seed=seed, size_px=(edge_px,) * 2, encoding=Encoding.RAW
                )

        await client.generate(card.classes[0].name, seed=0, size_px=(edge_px,) * 2)
        started = time.perf_counter()
        await asyncio.gather(*map(one, range(clients)))
        return len(seeds) / (time.perf_counter() - started)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _overload(address: str, options: ServerBench) -> dict[str, Any]:
    """Callers that never wait for each other, four times as many as may queue, without retries: who
    is served is served soon.
    """
    card = find_card("material", options.models)
    alone_s, times = asyncio.run(_overloaded(address, card, options))
    half = len(times) // 2
    first, second = (float(np.quantile(part, 0.99)) for part in (times[:half], times[half:]))
    jobs = QUEUE + JOBS_ON_CPU  # those that wait, and those that run
    service_s = OVERLOAD_S / len(
        times
    )  # what a set takes while those who are refused ask again and again, on the same two cores
    return promise(
        f"p99 under {OVERLOAD}x overload",
        max(first, second),
        1.5 * jobs * service_s,
        "s",
        first_half=f"{first:.2f} s",
        second_half=f"{second:.2f} s",
        service=f"{service_s:.3f} s",
        alone=f"{alone_s:.3f} s",
        served=len(times),
    )


async def _overloaded(
    address: str, card: ModelCard, options: ServerBench
) -> tuple[float, list[float]]:
    """Seconds of one call while there is no other one, and of all that were served under the load,
    in order.
    """
    times: list[float] = []
    async with AsyncClient(address, retry=False) as client:

        def ask(seed: int) -> Awaitable[Any]:
            return client.generate(
                card.classes[0].name,
                seed=seed,
                size_px=(options.small_px,) * 2,
                encoding=Encoding.RAW,
            )

        alone_s = await _median_s(lambda: ask(1), 5)
        begin = time.perf_counter() + OVERLOAD_BEFORE_S
        end = begin + OVERLOAD_S

        async def caller(number: int) -> None:
            turn = 0
            while time.perf_counter() < end:
                turn, started = turn + 1, time.perf_counter()
                try:
                    await ask(number * 10_000 + turn)
                    if started > begin:
                        times.append(time.perf_counter() - started)
                except CapacityError:
                    await asyncio.sleep(0.05)

        await asyncio.gather(*(caller(n) for n in range(OVERLOAD * QUEUE)))
    return alone_s, times


async def _median_s(work: Callable[[], Awaitable[Any]], rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        await work()
        times.append(time.perf_counter() - started)
    return median(times[1:])
