# SPDX-License-Identifier: Apache-2.0
"""The server under load: many clients at a time, and more calls than it may queue."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from texgen.client.aio import AsyncClient
from texgen.errors import CapacityError
from texgen.maps import Encoding
from texgen.modelcard import ModelCard, find_card
from texgen_server.bench.options import ServerBench
from texgen_server.bench.report import promise
from texgen_server.bench.yardsticks import engine_rate
from texgen_server.config import ServerConfig
from texgen_server.engine.local import LocalEngine
from texgen_server.engine.protocol import JOBS_ON_CPU

CLIENTS_SHARE = 0.85
"""Promised share of the engine's rate that many clients get."""
SETS_A_CLIENT, CLIENT_ROUNDS = 4, 4
QUEUE = 8
"""Requests that may wait at the server that is overloaded."""
OVERLOAD, OVERLOAD_S, OVERLOAD_BEFORE_S = 4, 12.0, 2.0
"""Callers over requests that may wait; seconds that are measured, and seconds before them, in which
the engine finds out which jobs gain from being batched.
"""
OVERLOAD_LIMIT = 1.5
"""Promised 99th percentile over the time of all jobs that wait or run."""
RETRY_S = 0.05
"""Pause of a caller that was refused."""


def many_clients(address: str, options: ServerBench) -> dict[str, Any]:
    """Measure the rate with many clients: a promise for the middle size, and beside it the small
    size, where a call takes a fifth of the set's time.
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
        -CLIENTS_SHARE,
        "",
        served=f"{middle.served:.1f}/s",
        engine=f"{middle.alone:.1f}/s",
        clients_cpu=f"{middle.cores:.2f} cores",
        **{f"share_at_{options.small_px}_px": f"{small.share:.2f} ({small.served:.1f}/s)"},
    )


@dataclass(frozen=True)
class _Rates:
    """Sets a second over gRPC and of the engine alone, and the cores that the clients used."""

    served: float
    alone: float
    cores: float

    @property
    def share(self) -> float:
        """Rate over gRPC as a share of the engine's."""
        return self.served / self.alone


def _with_clients(
    engine: LocalEngine, address: str, card: ModelCard, options: ServerBench, edge_px: int
) -> _Rates:
    """Measure clients that each ask for one set after another, alternately with the engine alone
    and as many jobs in flight.
    """
    clients, count = options.clients, SETS_A_CLIENT * options.clients
    alone, served, busy = [], [], []
    for round_number in range(CLIENT_ROUNDS):
        first = 10_000 + 1000 * round_number
        alone.append(engine_rate(engine, card, edge_px, clients, range(first, first + count)))
        before, started = _cpu_s(), time.perf_counter()
        seeds = range(first + 500, first + 500 + count)
        served.append(asyncio.run(_served_rate(address, card, edge_px, clients, seeds)))
        busy.append((_cpu_s() - before) / (time.perf_counter() - started))
    return _Rates(median(served[1:]), median(alone[1:]), median(busy[1:]))


async def _served_rate(
    address: str, card: ModelCard, edge_px: int, clients: int, seeds: range
) -> float:
    """Return sets a second over gRPC."""
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


def overload(address: str, options: ServerBench) -> dict[str, Any]:
    """Measure calls under overload: callers that never wait for each other, four times as many as
    may queue, without retries. A call that is accepted must be served soon.
    """
    card = find_card("material", options.models)
    alone_s, times = asyncio.run(_overloaded(address, card, options))
    half = len(times) // 2
    first, second = (float(np.quantile(part, 0.99)) for part in (times[:half], times[half:]))
    jobs = QUEUE + JOBS_ON_CPU  # those that wait, and those that run
    # seconds a set while refused callers ask again and again, on the same two cores
    service_s = OVERLOAD_S / len(times)
    return promise(
        f"p99 under {OVERLOAD}x overload",
        max(first, second),
        OVERLOAD_LIMIT * jobs * service_s,
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
    """Return the seconds of one call without any other, and of all calls that were served under the
    load, in order.
    """
    times: list[float] = []
    async with AsyncClient(address, retry=False) as client:

        def generate(seed: int) -> Awaitable[Any]:
            edges = (options.small_px, options.small_px)
            return client.generate(
                card.classes[0].name, seed=seed, size_px=edges, encoding=Encoding.RAW
            )

        alone_s = await _median_s(lambda: generate(1), 5)
        begin = time.perf_counter() + OVERLOAD_BEFORE_S
        callers = (_call_until(begin, n, generate, times) for n in range(OVERLOAD * QUEUE))
        await asyncio.gather(*callers)
    return alone_s, times


async def _call_until(
    begin: float, number: int, generate: Callable[[int], Awaitable[Any]], times: list[float]
) -> None:
    """Call again and again until `OVERLOAD_S` after ``begin``; adds the seconds of calls that
    started after ``begin`` and were served to ``times``.
    """
    count = 0
    while time.perf_counter() < begin + OVERLOAD_S:
        count, started = count + 1, time.perf_counter()
        try:
            await generate(number * 10_000 + count)
            if started > begin:
                times.append(time.perf_counter() - started)
        except CapacityError:
            await asyncio.sleep(RETRY_S)


async def _median_s(work: Callable[[], Awaitable[Any]], rounds: int) -> float:
    """Return the median seconds of ``rounds`` runs after one that does not count."""
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        await work()
        times.append(time.perf_counter() - started)
    return median(times[1:])
