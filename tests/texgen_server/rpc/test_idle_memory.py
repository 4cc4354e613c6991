# SPDX-License-Identifier: Apache-2.0
"""Freed memory goes back while the server is idle."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from texgen_server.observability.call_record import CallRecord, Peer
from texgen_server.rpc import idle_memory
from texgen_server.rpc.idle_memory import IdleMemory


def told(monkeypatch, busy, seconds):
    """When freed memory was given back, after five calls that end soon after each other."""
    monkeypatch.setattr(IdleMemory, "IDLE_S", 0.25)
    monkeypatch.setattr(IdleMemory, "LONGEST_S", 0.8)
    given, started = [], time.monotonic()
    monkeypatch.setattr(
        idle_memory, "give_back_freed_memory", lambda: given.append(time.monotonic() - started)
    )

    async def run():
        with ThreadPoolExecutor(1) as pool:
            watcher = IdleMemory(busy, pool)
            watcher.ended(CallRecord("/grpc.health.v1.Health/Check", Peer("somebody")))
            await asyncio.sleep(0.3)
            assert not given
            for _ in range(5):
                watcher.ended(
                    CallRecord(f"{idle_memory.METHODS}GenerateMaterial", Peer("somebody"))
                )
            assert not given
            await asyncio.sleep(seconds)

    asyncio.run(run())
    return given


def test_freed_memory_goes_back_once_after_calls(monkeypatch):
    assert len(told(monkeypatch, lambda: 0, 1.2)) == 1


def test_freed_memory_goes_back_even_where_calls_never_end(monkeypatch):
    (once,) = told(monkeypatch, lambda: 1, 1.6)
    assert once > 0.8
