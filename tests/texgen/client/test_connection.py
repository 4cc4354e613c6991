# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import grpc
import pytest

from texgen import AsyncClient, Client
from texgen.client.connection import DEFAULT_DEADLINE_S, Endpoint, error_of_code, translate_error
from texgen.errors import (
    AuthenticationError,
    CancelledError,
    CapacityError,
    ConnectionFailedError,
    InvalidRequestError,
    LoadError,
    NotFoundError,
    TexgenError,
)

ERRORS = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: LoadError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: CapacityError,
    grpc.StatusCode.CANCELLED: CancelledError,
    grpc.StatusCode.DEADLINE_EXCEEDED: CancelledError,
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationError,
    grpc.StatusCode.UNAVAILABLE: ConnectionFailedError,
    grpc.StatusCode.INTERNAL: TexgenError,
}


class Failed(grpc.RpcError):
    def __init__(self, code, details):
        self.code, self.details = lambda: code, lambda: details


@pytest.mark.parametrize("code", ERRORS)
def test_a_status_is_one_of_our_errors(code):
    error = translate_error(Failed(code, "why"), "host:1", started=False)
    assert type(error) is ERRORS[code]
    assert "why" in str(error)
    if code is not grpc.StatusCode.UNAVAILABLE:
        assert type(error_of_code(code.value[0], "why")) is ERRORS[code]


def test_a_server_that_goes_away_is_told_apart_from_one_that_never_was_there():
    lost = Failed(grpc.StatusCode.UNAVAILABLE, "")
    assert "went away" in str(translate_error(lost, "host:1", started=True))
    assert "texgen serve" in str(translate_error(lost, "host:1", started=False))
    silent = Failed(grpc.StatusCode.INTERNAL, None)
    assert str(translate_error(silent, "host:1", started=True)) == "the call failed with INTERNAL"


def test_an_endpoint_sends_its_token_and_asks_for_whole_maps():
    assert Endpoint("host:1", "secret").metadata == (
        ("texgen-whole-maps", "1"),
        ("authorization", "Bearer secret"),
    )
    assert Endpoint("host:1").metadata == (("texgen-whole-maps", "1"),)


def test_retries_are_told_to_the_channel():
    (config, text), _ = Endpoint("host:1").channel_options()
    assert config == "grpc.service_config"
    assert json.loads(text)["methodConfig"][0]["retryPolicy"]["maxAttempts"] == 5
    assert Endpoint("host:1", retry=False).channel_options() == [("grpc.enable_retries", 0)]


def test_a_short_call_has_a_short_deadline():
    assert Endpoint("host:1").short_deadline_s < DEFAULT_DEADLINE_S
    assert Endpoint("host:1", deadline_s=2.0).short_deadline_s == 2.0


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"address": 50051}, "address: 50051 of type int"),
        ({"token": "schlüssel"}, "not plain ASCII"),
        ({"token": "a\nb"}, "not plain ASCII"),
        ({"deadline_s": "soon"}, "deadline_s: 'soon' of type str"),
        ({"tls_pair": ("absent.pem", "absent.pem")}, "TLS file"),
    ],
)
def test_a_bad_argument_of_a_client_is_refused(client, arguments, message, tmp_path):
    if "tls_pair" in arguments:
        arguments = {"tls_pair": tuple(tmp_path / name for name in arguments["tls_pair"])}
    with pytest.raises(InvalidRequestError, match=message):
        client(**({"address": "127.0.0.1:1"} | arguments))
