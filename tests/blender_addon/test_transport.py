# SPDX-License-Identifier: Apache-2.0
"""The add-on's calls in a worker thread, against a real server, without Blender."""

from __future__ import annotations

import ssl
import time

import pytest

pytest.importorskip("grpclib")

from grpclib.const import Status
from grpclib.exceptions import GRPCError

from blender_addon.addresses import split_address
from blender_addon.transport import Server, Transport, error_message
from texgen.errors import TexgenError
from texgen.maps import MapKind
from texgen.pb import texgen_pb2 as pb
from texgen.wire import requests


@pytest.fixture
def transport():
    running = Transport()
    yield running
    running.close()


def generate(**options):
    return requests.generate("brick", **({"seed": 3, "size_px": (64, 64)} | options))


def test_a_texture_call_ends_with_all_maps(transport, server, client):
    call = transport.start_texture_call(Server(*split_address(server), "secret"), generate())
    kind, assembler = call.outcome.get(timeout=60)
    assert kind == "done", assembler
    assert call.fraction == 1.0
    expected = client.generate("brick", seed=3, size_px=(64, 64))
    found = assembler.material()
    assert found.recipe == expected.recipe
    assert {k: bytes(m.data) for k, m in found.maps.items()} == {
        k: bytes(m.data) for k, m in expected.maps.items()
    }


def test_a_unary_call_ends_with_its_message(transport, server):
    told = transport.start_unary_call(
        Server(*split_address(server), "secret"),
        "ModelService",
        "ListModels",
        pb.ListModelsRequest(),
    )
    kind, answer = told.outcome.get(timeout=60)
    assert kind == "done", answer
    assert "material" in [model.id for model in answer.models]


def test_a_refusal_comes_as_a_sentence(transport, server):
    call = transport.start_texture_call(Server(*split_address(server)), generate())
    kind, message = call.outcome.get(timeout=60)
    assert kind == "failed"
    assert "refused the token" in message
    call = transport.start_texture_call(
        Server(*split_address(server), "secret"), generate(size_px=(65, 64))
    )
    kind, message = call.outcome.get(timeout=60)
    assert kind == "failed"
    assert "65" in message


def test_uploads_come_back_larger(transport, server, client):
    import numpy as np

    maps = {MapKind.ROUGHNESS: np.full((32, 32, 1), 90, np.uint8)}
    call = transport.start_texture_call(
        Server(*split_address(server), "secret"), requests.upscale(maps, 2)
    )
    kind, assembler = call.outcome.get(timeout=60)
    assert kind == "done", assembler
    assert assembler.map_set().maps[MapKind.ROUGHNESS].width_px == 64


def test_a_cancelled_call_says_so_and_close_ends_the_thread(transport, server):
    call = transport.start_texture_call(
        Server(*split_address(server), "secret"), generate(size_px=(2048, 2048))
    )
    call.cancel()
    assert call.outcome.get(timeout=60) == ("cancelled", "")
    waiting = transport.start(lambda _: _forever())
    transport.close()
    transport.close()
    assert waiting.outcome.get(timeout=5) == ("cancelled", "")


async def _forever():
    import asyncio

    await asyncio.sleep(3600)


def test_nobody_listens(transport):
    call = transport.start_texture_call(Server("127.0.0.1", 1), generate())
    kind, message = call.outcome.get(timeout=60)
    assert kind == "failed"
    assert "texgen serve" in message


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "did not answer"),
        (GRPCError(Status.UNAVAILABLE, "the server is full"), "the server is full"),
        (GRPCError(Status.INTERNAL), "INTERNAL"),
        (ssl.SSLError("bad certificate"), "CA file"),
        (ConnectionRefusedError(), "texgen serve"),
        (TexgenError("a map is damaged"), "a map is damaged"),
        (KeyError("x"), "Unexpected KeyError"),
    ],
)
def test_every_error_is_a_sentence(error, words):
    assert words in error_message(error)


def test_calls_do_not_wait(transport, server):
    started = time.perf_counter()
    transport.start_texture_call(Server(*split_address(server), "secret"), generate())
    assert time.perf_counter() - started < 1.0
