# SPDX-License-Identifier: Apache-2.0
"""Faults between, below and above: nothing is lost, nothing is told wrongly, the server lives on.
Real processes on loopback.

`pytest -m slow tests/texgen_server/rpc/test_faults.py -s` prints the table; TEXGEN_SOAK_S says how
long the soak takes (60 s)."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest

from tests.texgen_server.rpc.fault_calls import ROWS, ask, assert_idle, digest, still_serves
from tests.texgen_server.rpc.faults import HEADER, Proxy, ServerProcess
from texgen.client import Client
from texgen.client.aio import AsyncClient
from texgen.errors import (
    CancelledError,
    CapacityError,
    ConnectionFailedError,
    TexgenError,
)
from texgen.maps import Encoding, MapKind
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc

pytestmark = pytest.mark.slow


SOAK_S = float(os.environ.get("TEXGEN_SOAK_S", "60"))


GONE = (ConnectionFailedError, CancelledError)


@pytest.fixture(scope="module", autouse=True)
def table():
    yield
    sys.stdout.write("\n".join(["", HEADER, *ROWS, ""]))
    ROWS.clear()


def test_a_faulty_network(served, expected, tally):
    chance = random.Random(11)
    with Proxy(served.port, seed=5) as proxy:
        for _ in range(150):
            seed = chance.randrange(8)
            with Client(proxy.address, deadline_s=10.0) as client:
                tally.call(lambda s=seed, c=client: ask(c, s), expected[seed], GONE)
    tally.check()
    assert tally.right > 20
    assert tally.told
    still_serves(served, expected)


def test_the_server_is_killed(models, tmp_path, expected, tally):
    chance = random.Random(12)
    with ServerProcess(models, tmp_path, "--cache-bytes", "1000000") as server:
        for _ in range(6):
            killer = threading.Timer(0.2 + chance.random(), server.kill)
            killer.start()
            end = time.monotonic() + 1.5
            with Client(server.address, deadline_s=10.0) as client:
                while time.monotonic() < end:
                    seed = chance.randrange(8)
                    tally.call(lambda s=seed, c=client: ask(c, s), expected[seed], GONE)
                    if server.process.poll() is not None:
                        break
            killer.join()
            server.start()
            still_serves(server, expected)  # with the cache that the killed one left
    tally.check()
    assert tally.told.get("ConnectionFailedError")


CLIENT = """
import sys
from texgen.client import Client
with Client(sys.argv[1]) as client:
    sys.stdout.write("begun\\n"); sys.stdout.flush()
    for seed in range(1000):
        client.generate("bark", seed=seed, size_px=(512, 512))
"""


def test_clients_are_killed(served, expected, tally):
    chance = random.Random(13)
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, served.address], stdout=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        time.sleep(chance.random())
        process.kill()
        process.wait(10)
        process.stdout.close()
        with Client(served.address, deadline_s=20.0) as client:
            tally.call(lambda c=client: ask(c, 3), expected[3], ())
    tally.check()
    assert_idle(served)


def test_the_disk_is_full(models, tmp_path, expected, tally):
    """No file may grow beyond 20 kB: neither results nor the index can be written."""

    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    with (
        ServerProcess(models, tmp_path, "--cache-bytes", "100000000", preexec_fn=full) as server,
        Client(server.address) as client,
    ):
        for turn in range(24):
            tally.call(lambda s=turn % 8: ask(client, s), expected[turn % 8], ())
    tally.check()
    assert tally.right == 24


def test_slow_readers(served, expected, tally):
    """Ten clients that never read what they asked for hold neither the others up nor much
    memory.
    """
    request = pb.GenerateMaterialRequest(
        classes=[pb.ClassWeight(name="bark", weight=1.0)],
        size=pb.Size(width_px=1024, height_px=1024),
        encoding=pb.ENCODING_RAW,
    )
    channels = [
        grpc.insecure_channel(served.address, [("grpc.use_local_subchannel_pool", 1)])
        for _ in range(10)
    ]
    with Client(served.address, deadline_s=60.0) as client:
        ask(client, 3, 1024)  # what making one takes is not meant
    before = served.memory_bytes()
    streams = [
        pb_grpc.TextureServiceStub(channel).GenerateMaterial(request) for channel in channels
    ]
    for stream in streams:
        next(stream)
    with Client(served.address, deadline_s=60.0) as client:
        for seed in range(8):
            tally.call(lambda s=seed: ask(client, s), expected[seed], ())
    grown = served.memory_bytes() - before
    for stream, channel in zip(streams, channels, strict=True):
        stream.cancel()
        channel.close()
    tally.check()
    assert grown < 600e6, (
        f"{grown / 1e6:.0f} MB"
    )  # ten results of 12 MB, as arrays and packed, and three that are being made


def test_a_thousand_clients_that_leave(served, expected, tally):
    async def come_and_go():
        chance = random.Random(14)

        async def one(number):
            tally.tried += 1
            async with AsyncClient(served.address, retry=False) as client:
                task = asyncio.create_task(client.generate("bark", seed=number, size_px=(256, 256)))
                await asyncio.sleep(chance.random() * 0.2)
                task.cancel()
                try:
                    await task
                    tally.right += 1
                except (asyncio.CancelledError, CapacityError, ConnectionFailedError) as error:
                    tally.told[type(error).__name__] = tally.told.get(type(error).__name__, 0) + 1
                except TexgenError as error:
                    tally.wrong.append(repr(error))

        for first in range(0, 1000, 50):
            await asyncio.gather(*(one(first + n) for n in range(50)))

    handles = served.handles()
    asyncio.run(come_and_go())
    assert_idle(served)
    tally.check()
    still_serves(served, expected)
    time.sleep(1.0)
    assert served.handles() < handles + 20


def test_a_storm_of_deadlines(served, expected, tally):
    async def hurry():
        chance = random.Random(15)

        async def one(seed):
            async with AsyncClient(
                served.address, retry=False, deadline_s=chance.uniform(0.001, 0.3)
            ) as client:
                tally.tried += 1
                try:
                    material = await client.generate(
                        "bark", seed=seed % 8, size_px=(64, 64), encoding=Encoding.RAW
                    )
                    assert digest(material) == expected[seed % 8]
                    tally.right += 1
                except (CancelledError, CapacityError) as error:
                    tally.told[type(error).__name__] = tally.told.get(type(error).__name__, 0) + 1
                except TexgenError as error:
                    tally.wrong.append(repr(error))

        for first in range(0, 400, 40):
            await asyncio.gather(*(one(first + n) for n in range(40)))

    asyncio.run(hurry())
    assert_idle(served)
    tally.check()
    assert tally.told.get("CancelledError")
    still_serves(served, expected)


def test_a_soak(served, expected, tally):
    """All kinds of calls for a while: memory and handles stand still."""
    chance = random.Random(17)
    with Client(served.address, deadline_s=30.0) as client:
        recipe = client.generate("bark", seed=1, size_px=(64, 64)).recipe
        ramp = (np.add.outer(np.arange(32), np.arange(32)) * 4).astype(np.uint8)[..., None]
        works = [
            lambda: ask(client, 3),
            lambda: (
                client.generate_environment("overcast", seed=1, encoding=Encoding.RAW)
                and expected[3]
            ),
            lambda: client.vary(recipe, 0.5, count=2, seed=1) and expected[3],
            lambda: client.upscale({MapKind.AO: ramp}, 2) and expected[3],
            lambda: client.repair({MapKind.HEIGHT: ramp}) and expected[3],
            lambda: client.list_models() and client.model_statistics() and expected[3],
        ]
        marks, started = [], time.monotonic()
        while (passed := time.monotonic() - started) < SOAK_S:
            tally.call(chance.choice(works), expected[3], ())
            if passed > SOAK_S * 0.25 * (len(marks) + 1):
                marks.append((served.memory_bytes(), served.handles()))
    tally.check()
    (first_bytes, first_handles), (last_bytes, last_handles) = marks[0], marks[-1]
    ROWS.append(
        f"  soak of {SOAK_S:.0f} s: memory {first_bytes / 1e6:.0f} -> {last_bytes / 1e6:.0f} "
        f"MB, handles {first_handles} -> {last_handles}"
    )
    assert last_bytes < first_bytes * 1.1 + 20e6
    assert last_handles <= first_handles + 5
