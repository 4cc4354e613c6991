# SPDX-License-Identifier: Apache-2.0
"""What is told of calls: one record each, to the log and to traces; no secrets."""

from __future__ import annotations

import json
import logging
import threading

import grpc
import pytest

from texgen.client import Client
from texgen.errors import AuthenticationError, InvalidRequestError
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen_server.config import ServerConfig
from texgen_server.observability.logs import JsonFormatter
from texgen_server.rpc.requests import material as material_requests
from texgen_server.rpc.server import EmbeddedServer

TOKEN = "tgt_hush"


class Lines(logging.Handler):
    """As a collector of logs would read them."""

    def __init__(self):
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.lines, self.changed = [], threading.Condition()

    def emit(self, record):
        with self.changed:
            self.lines.append(self.format(record))
            self.changed.notify_all()

    def calls(self, count):
        """Waits: a client has its answer before the server has told of it."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self._calls()) >= count, 10), self.lines
            return self._calls()

    def _calls(self):
        return [line for line in map(json.loads, self.lines) if "method" in line]


@pytest.fixture
def lines():
    log, handler = logging.getLogger("texgen.server"), Lines()
    before = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)
    log.setLevel(before)


@pytest.fixture(scope="module")
def server(models):
    with EmbeddedServer(
        ServerConfig(port=0, token=TOKEN, models=models, device="torch", grace_s=0.5)
    ) as running:
        yield running


def test_each_call_is_told_once_with_its_figures(server, lines):
    request = pb.GenerateMaterialRequest(
        classes=[pb.ClassWeight(name="bark", weight=1.0)],
        size=pb.Size(width_px=32, height_px=32),
        encoding=pb.ENCODING_RAW,
    )
    with grpc.insecure_channel(server.address) as channel:
        stub = pb_grpc.TextureServiceStub(channel)
        events = list(
            stub.GenerateMaterial(request, metadata=[("authorization", f"Bearer {TOKEN}")])
        )
    (call,) = lines.calls(1)
    assert call["request_id"] == events[0].accepted.request_id
    assert (call["method"], call["status"], call["model"], call["results"]) == (
        "/texgen.v1.TextureService/GenerateMaterial",
        "OK",
        "material",
        1,
    )
    assert call["bytes"] == sum(e.map_end.byte_size for e in events)
    assert call["duration_s"] >= call["compute_s"] > 0
    assert call["peer"] == "token"


def test_refused_calls_say_why_and_no_secret_is_ever_told(server, lines):
    with Client(server.address, TOKEN) as client, pytest.raises(InvalidRequestError):
        client.generate("chocolate", size_px=(32, 32))
    with Client(server.address, "tgt_wrong") as client, pytest.raises(AuthenticationError):
        client.get_model()
    calls = {call["status"]: call for call in lines.calls(2) if call["status"] != "OK"}
    assert "chocolate" in calls["INVALID_ARGUMENT"]["why"]
    assert calls["UNAUTHENTICATED"]["level"] == "WARNING"
    assert not [line for line in lines.lines if "tgt_" in line]


def test_an_error_of_ours_has_its_traceback_under_the_id_that_the_client_was_told(
    server, lines, monkeypatch
):

    def broken(*_):
        raise RuntimeError("the secret path")

    monkeypatch.setattr(material_requests, "generate_orders", broken)
    with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as told:
        list(
            pb_grpc.TextureServiceStub(channel).GenerateMaterial(
                pb.GenerateMaterialRequest(), metadata=[("authorization", f"Bearer {TOKEN}")]
            )
        )
    (call,) = lines.calls(1)
    assert call["status"] == "INTERNAL"
    assert call["request_id"] in told.value.details()
    assert "secret" not in told.value.details()
    (error,) = [line for line in map(json.loads, lines.lines) if "error" in line]
    assert "the secret path" in error["error"]
    assert call["request_id"] in error["message"]


def test_streams_that_are_left_have_their_duration_and_status(server, lines):
    request = pb.GenerateMaterialRequest(
        classes=[pb.ClassWeight(name="bark", weight=1.0)],
        size=pb.Size(width_px=256, height_px=256),
        encoding=pb.ENCODING_RAW,
    )
    with grpc.insecure_channel(server.address) as channel:
        stub = pb_grpc.TextureServiceStub(channel)
        for number in range(4):
            stream = stub.GenerateMaterial(request, metadata=[("authorization", f"Bearer {TOKEN}")])
            for _ in range(number):
                next(stream)
            stream.cancel()
    with Client(server.address, TOKEN) as client, client.explore() as sliders:
        for seed in range(3):
            sliders.send("bark", seed=seed, size_px=(128, 128))
        next(iter(sliders))
    for call in lines.calls(4):
        assert 0.0 <= call["duration_s"] < 60.0
        assert call["status"] in ("OK", "CANCELLED")
