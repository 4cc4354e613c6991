# SPDX-License-Identifier: Apache-2.0
"""Tokens of calls, and errors as status."""

from __future__ import annotations

import gc
import time
import weakref

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

from tests.texgen_server.rpc.metadata import TOKEN
from texgen.client import Client
from texgen.errors import (
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
)
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen_server.rpc.interceptors import status_of
from texgen_server.rpc.requests import photo
from texgen_server.tokens import Token, find_token, hashed


def test_a_token_in_a_log_or_an_error_would_be_a_leak(server, caplog):
    with grpc.insecure_channel(server) as channel:
        call = channel.unary_unary("/texgen.v1.ModelService/GetModel")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", metadata=(("authorization", "Bearer tgt_do_not_show"),))
    assert "do_not_show" not in str(caught.value.details()) + caplog.text
    assert find_token((Token("a", hashed("x")),), "y") is None


def test_field_violations_reach_foreign_clients(server):
    with grpc.insecure_channel(server) as channel:
        stub = pb_grpc.TextureServiceStub(channel)
        request = pb.GenerateMaterialRequest(
            classes=[pb.ClassWeight(name="bark", weight=1)], size=pb.Size(width_px=33, height_px=64)
        )
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.GenerateMaterial(request, metadata=TOKEN))
    status = rpc_status.from_call(caught.value)
    detail = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(detail)
    assert detail.field_violations[0].field == "size"
    assert "32 and 64" in detail.field_violations[0].description


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"classes": "wool"}, InvalidRequestError, "bark, brick"),
        ({"classes": ""}, InvalidRequestError, "no class"),
        ({"classes": "bark", "recipe": "tg1:x"}, InvalidRequestError, "alone"),
        ({"classes": "bark", "model": "sky"}, NotFoundError, "material"),
        ({"classes": "bark", "seed": -1}, InvalidRequestError, "seed"),
        ({"classes": "bark", "size_px": (-1, 32)}, InvalidRequestError, "size"),
        (
            {"classes": "bark", "controls": {"relief_depth": float("inf")}},
            InvalidRequestError,
            "0 to 4",
        ),
    ],
)
def test_errors_become_ours_again(client, arguments, error, words):
    with pytest.raises(error, match=words):
        client.generate(**arguments)


def test_without_the_token_only_health_is_open(server):
    for token in ("", "guess", "secret "):
        with Client(server, token) as stranger:
            for call in (
                stranger.get_model,
                stranger.server_info,
                lambda c=stranger: c.generate("bark"),
            ):
                with pytest.raises(AuthenticationError):
                    call()
    with grpc.insecure_channel(server) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "texgen.v1.TextureService", "texgen.v1.ModelService"):
            assert (
                health.Check(health_pb2.HealthCheckRequest(service=service)).status
                == health_pb2.HealthCheckResponse.SERVING
            )
        with pytest.raises(Exception, match="token"):
            ProtoReflectionDescriptorDatabase(channel).get_services()


def test_our_bugs_leak_nothing():
    status = status_of(RuntimeError("/secret/path"), "abc123")
    assert "abc123" in status.message
    assert "secret" not in status.message


class Big:
    """Stands for the megabytes of an upload."""


def test_what_a_refused_call_had_in_hand_is_let_go_at_once(client, monkeypatch):
    in_hand = []

    def refuse(*_):
        big = Big()
        in_hand.append(weakref.ref(big))
        raise InvalidRequestError("no", "photo")

    monkeypatch.setattr(photo, "capture_order", refuse)
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
