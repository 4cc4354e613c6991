# SPDX-License-Identifier: Apache-2.0
"""Memory that was freed stays while it is of use: a second piece of the same size costs no page
faults; refused uploads are let go at once.
"""

from __future__ import annotations

import asyncio
import gc
import platform
import subprocess
import sys
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from texgen.errors import InvalidRequestError
from texgen_server.observability.call_record import CallRecord, Peer
from texgen_server.rpc import idle_memory, service
from texgen_server.rpc.idle_memory import IdleMemory

COUNT = """
import resource, threading, sys
import numpy as np
from texgen_server.process.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.empty(3 << 20, np.uint8)[::4096] = 1
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
np.empty(3 << 20, np.uint8)[::4096] = 1
thread = threading.Thread(target=faults)
thread.start()
thread.join()
"""


BETWEEN = """
import numpy as np
from texgen_server.process.memory import give_back_freed_memory, keep_freed_memory
def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20
assert keep_freed_memory()
pieces = [np.ones(3 << 20, np.uint8) for _ in range(100)]
kept = pieces[::10]
del pieces
before = held()
assert give_back_freed_memory()
print(before - held())
"""
NEEDS_GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is glibc's")


def printed(script, *arguments):
    return int(
        subprocess.run(
            [sys.executable, "-c", script, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
    )


@NEEDS_GLIBC
def test_what_is_free_between_goes_back_too():
    assert printed(BETWEEN) > 200


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
                await asyncio.sleep(0.01)
            assert not given
            await asyncio.sleep(seconds)

    asyncio.run(run())
    return given


def test_freed_memory_goes_back_once_after_calls(monkeypatch):
    assert len(told(monkeypatch, lambda: 0, 1.2)) == 1


def test_freed_memory_goes_back_even_where_calls_never_end(monkeypatch):
    (once,) = told(monkeypatch, lambda: 1, 1.6)
    assert once > 0.8


class Big:
    """Stands for the megabytes of an upload."""


def test_what_a_refused_call_had_in_hand_is_let_go_at_once(client, monkeypatch):
    in_hand = []

    def refuse(*_):
        big = Big()
        in_hand.append(weakref.ref(big))
        raise InvalidRequestError("no", "photo")

    monkeypatch.setattr(service, "capture_order", refuse)
    gc.disable()
    try:
        for _ in range(3):
            with pytest.raises(InvalidRequestError):
                client.capture(b"photo", size_px=(64, 64))
        deadline = time.monotonic() + 5.0
        while any(big() for big in in_hand) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [big() for big in in_hand] == [None] * 3
    finally:
        gc.enable()


@NEEDS_GLIBC
def test_freed_memory_of_threads_is_kept():
    counts = {how: printed(COUNT, how) for how in ("leave", "keep")}
    assert counts["keep"] < 0.3 * counts["leave"]
