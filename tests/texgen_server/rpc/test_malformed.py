# SPDX-License-Identifier: Apache-2.0
"""Malformed and hostile requests: refused, and the server goes on."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.texgen_server.rpc.fault_calls import ROWS, assert_idle, still_serves
from tests.texgen_server.rpc.faults import HEADER
from tests.texgen_server.rpc.malformed import BOMBS, METHODS, mutated
from texgen.client import Client
from texgen.errors import (
    CapacityError,
    InvalidRequestError,
)
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc

pytestmark = pytest.mark.slow


LIMITS = ("-rss_limit_mb=0", "-malloc_limit_mb=700")
"""Of memory: for one allocation.

The peak of a process would be that of the one that started it, which Linux hands on.
"""


@pytest.fixture(scope="module", autouse=True)
def table():
    yield
    sys.stdout.write("\n".join(["", HEADER, *ROWS, ""]))
    ROWS.clear()


def test_bombs(served, expected, tally):
    """As a photograph, as a mask, as an upload that is said to be small."""
    before = served.memory_bytes()
    with Client(served.address, deadline_s=60.0) as client:
        recipe = client.generate("bark", seed=1, size_px=(64, 64)).recipe
        for bomb in BOMBS.values():
            tally.call(
                lambda b=bomb: client.capture(b, size_px=(64, 64), steps=0),
                None,
                (InvalidRequestError, CapacityError),
            )
            tally.call(
                lambda b=bomb: client.mix({recipe: 1.0, recipe + "": 1.0}, "paint", mask=b),
                None,
                (InvalidRequestError, CapacityError),
            )
            options = pb.UpscaleOptions(
                scale=2,
                maps=[
                    pb.MapHeader(
                        kind=pb.MAP_KIND_AO,
                        width_px=64,
                        height_px=64,
                        channels=1,
                        dtype=pb.DTYPE_UINT8,
                        encoding=pb.ENCODING_PNG,
                        byte_size=len(bomb),
                    )
                ],
            )
            pieces = [pb.UpscaleMaterialRequest(options=options)]
            pieces += [
                pb.UpscaleMaterialRequest(
                    chunk=pb.Chunk(kind=pb.MAP_KIND_AO, offset=at, data=bomb[at : at + (1 << 19)])
                )
                for at in range(0, len(bomb), 1 << 19)
            ]
            upload = partial(
                client._connection.stream, client._textures["UpscaleMaterial"], iter(pieces), {}
            )
            tally.call(upload, None, (InvalidRequestError, CapacityError))
    tally.check()
    assert tally.right == 0
    grown = served.memory_bytes() - before
    assert grown < 400e6, f"{grown / 1e6:.0f} MB"
    still_serves(served, expected)


CODES = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.FAILED_PRECONDITION,  # a prompt, where nothing understands it
}


def test_ten_thousand_malformed_requests(served, expected, tally):
    """Fields at random, and bytes at random that happen to be a message: never INTERNAL, never
    silence.
    """
    with grpc.insecure_channel(served.address) as channel:
        stub = pb_grpc.TextureServiceStub(channel)

        @settings(
            max_examples=10_000,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.randoms(use_true_random=True), st.sampled_from(list(METHODS)))
        def send(chance, name):
            request = mutated(METHODS[name], chance)
            tally.tried += 1
            call = getattr(stub, name)(request, timeout=20.0)
            try:
                next(call)
                tally.right += 1
                call.cancel()
            except grpc.RpcError as error:
                code = error.code()
                tally.told[code.name] = tally.told.get(code.name, 0) + 1
                assert code in CODES, f"{name} {code} {error.details()} {request}"

        send()
    assert_idle(served)
    tally.check()
    assert tally.tried >= 10_000
    assert tally.right
    still_serves(served, expected)


def test_an_atheris_run(tally):
    """Coverage-guided, of whatever reads bytes of strangers: recipes, requests, pictures.

    Bounded.
    """
    script = Path(__file__).parents[2] / "fuzz" / "readers.py"
    done = subprocess.run(
        [sys.executable, script, "-runs=60000", "-max_total_time=60", "-seed=18", *LIMITS],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    tally.tried = int(re.findall(r"Done (\d+)", done.stderr)[-1])
    assert tally.tried > 1000
