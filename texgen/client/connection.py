# SPDX-License-Identifier: Apache-2.0
"""A channel to a server: token, TLS, retries, deadline, and errors as `texgen.errors`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf.message import Message
from isal import isal_zlib

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
from texgen.wire.assembly import WHOLE_MAPS, Assembler, OnPreview, OnProgress
from texgen.wire.chunks import texture_methods
from texgen.wire.request_fields import number_field, text_field
from texgen.wire.requests import TextureCall

DEFAULT_DEADLINE_S = 600.0
SHORT_DEADLINE_S = 30.0
"""Deadline of calls with one answer; the client's own where that is shorter."""
CLOSED = "the client is closed: open another one"

_ERRORS: dict[grpc.StatusCode, type[TexgenError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: LoadError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: CapacityError,
    grpc.StatusCode.CANCELLED: CancelledError,
    grpc.StatusCode.DEADLINE_EXCEEDED: CancelledError,
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationError,
}

_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [
                {"service": "texgen.v1.TextureService"},
                {"service": "texgen.v1.ModelService"},
            ],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.2s",
                "maxBackoff": "3s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["RESOURCE_EXHAUSTED"],
            },
        }
    ]
}

_Answer = TypeVar("_Answer", covariant=True)
_Event = TypeVar("_Event", covariant=True)


class EventStream(Protocol[_Event]):
    """A running call of gRPC that streams events."""

    def __iter__(self) -> Iterator[_Event]:
        """Yield the events; raises grpc.RpcError."""

    def cancel(self) -> object:
        """End the call."""


class Endpoint:
    """The address of a server and the credentials of its client.

    Raises InvalidRequestError for an argument of the wrong type and for a file that cannot be read.
    """

    def __init__(
        self,
        address: str,
        token: str = "",
        tls_ca: Path | None = None,
        deadline_s: float = DEFAULT_DEADLINE_S,
        tls_pair: tuple[Path, Path] | None = None,
        *,
        retry: bool = True,
    ) -> None:
        if not text_field(token, "token").isascii() or not token.isprintable():
            raise InvalidRequestError("the token is not plain ASCII", "token")
        self.address = text_field(address, "address")
        self.deadline_s = number_field(deadline_s, "deadline_s")
        self.metadata = (WHOLE_MAPS, *([("authorization", f"Bearer {token}")] if token else []))
        self._tls_ca, self._tls_pair, self._retry = tls_ca, tls_pair, retry

    @property
    def short_deadline_s(self) -> float:
        """Seconds that a call with one answer may take."""
        return min(SHORT_DEADLINE_S, self.deadline_s)

    def channel_options(self) -> list[tuple[str, str | int]]:
        """Return gRPC's options of a channel: retries."""
        if not self._retry:
            return [("grpc.enable_retries", 0)]
        return [("grpc.service_config", json.dumps(_SERVICE_CONFIG)), ("grpc.enable_retries", 1)]

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Read the TLS files; None without TLS."""
        if self._tls_ca is None and self._tls_pair is None:
            return None
        certificate, key = (
            (_read_pem(path) for path in self._tls_pair) if self._tls_pair else (None, None)
        )
        return grpc.ssl_channel_credentials(
            _read_pem(self._tls_ca) if self._tls_ca else None, key, certificate
        )


class Connection:
    """A channel to an endpoint; its methods raise the errors of `texgen.errors`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        credentials, options = endpoint.credentials(), endpoint.channel_options()
        self.channel = (
            grpc.secure_channel(endpoint.address, credentials, options)
            if credentials
            else grpc.insecure_channel(endpoint.address, options)
        )
        self.textures = texture_methods(self.channel)

    def close(self) -> None:
        """Close the channel; calls in flight end with CancelledError."""
        self.channel.close()

    def stream(
        self, call: TextureCall, on_progress: OnProgress | None, on_preview: OnPreview | None
    ) -> Assembler:
        """Run a call of TextureService and assemble its events."""
        assembler = new_assembler(on_progress, on_preview)
        for event in self.events(self.start(call.method, call.request, self.endpoint.deadline_s)):
            assembler.feed(event)
        return assembler

    def start(
        self,
        method: str,
        request: Message | Iterator[Message],
        deadline_s: float | None,
    ) -> EventStream[Any]:
        """Start a call of TextureService."""
        try:
            stream: EventStream[Any] = self.textures[method](
                request, timeout=deadline_s, metadata=self.endpoint.metadata
            )
        except ValueError as error:  # gRPC's answer on a closed channel
            raise ConnectionFailedError(CLOSED) from error
        return stream

    def events(self, stream: EventStream[_Event]) -> Iterator[_Event]:
        """Yield the events of a running call; ends the call when the caller stops iterating."""
        started = False
        try:
            for event in stream:
                started = True
                yield event
        except grpc.RpcError as error:
            raise translate_error(error, self.endpoint.address, started=started) from error
        finally:
            # no effect once the stream has ended; otherwise the server stops working on it
            stream.cancel()

    def call(self, method: Callable[..., _Answer], request: Message) -> _Answer:
        """Run a call with one answer."""
        endpoint = self.endpoint
        try:
            return method(request, timeout=endpoint.short_deadline_s, metadata=endpoint.metadata)
        except grpc.RpcError as error:
            raise translate_error(error, endpoint.address, started=False) from error
        except ValueError as error:  # gRPC's answer on a closed channel
            raise ConnectionFailedError(CLOSED) from error


def new_assembler(
    on_progress: OnProgress | None = None, on_preview: OnPreview | None = None
) -> Assembler:
    """Return an assembler with a fast CRC-32. Raises InvalidRequestError for no callables."""
    for name, callback in (("on_progress", on_progress), ("on_preview", on_preview)):
        if callback is not None and not callable(callback):
            raise InvalidRequestError(f"{name}: {callback!r} cannot be called", name)
    return Assembler(on_progress, on_preview, isal_zlib.crc32)


def translate_error(error: grpc.RpcError, address: str, *, started: bool) -> TexgenError:
    """Convert a failed call to one of `texgen.errors`; ``started``: after its first event."""
    code, details = error.code(), error.details() or ""
    if code is grpc.StatusCode.UNAVAILABLE:
        if started:
            return ConnectionFailedError(
                f"the server at {address} went away during the call; nothing was kept, try again"
            )
        return ConnectionFailedError(
            f"no texgen server answers at {address}: is 'texgen serve' running there? ({details})"
        )
    return _ERRORS.get(code, TexgenError)(details or f"the call failed with {code.name}")


def error_of_code(code: int, message: str) -> TexgenError:
    """Convert a google.rpc.Code and its message to one of `texgen.errors`."""
    return next((kind for status, kind in _ERRORS.items() if status.value[0] == code), TexgenError)(
        message
    )


def _read_pem(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(
            f"cannot read the TLS file {path}: {error.strerror}", "tls"
        ) from error
