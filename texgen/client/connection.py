# SPDX-License-Identifier: Apache-2.0
"""A channel to a server: token, TLS, retries, deadline, and errors as `texgen.errors`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
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
from texgen.wire.assembly import WHOLE_MAPS, Assembler
from texgen.wire.request_fields import CallOptions

DEFAULT_DEADLINE_S = 600.0

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


class Access:
    """Where a server is, and what it is shown.

    Raises InvalidRequestError where a file cannot be read.
    """

    def __init__(
        self,
        address: str,
        token: str = "",
        tls_ca: Path | None = None,
        tls_pair: tuple[Path, Path] | None = None,
        *,
        retry: bool = True,
    ) -> None:
        self._retry = retry
        self.address, self._tls_ca, self._tls_pair = address, tls_ca, tls_pair
        self.metadata = (WHOLE_MAPS, *([("authorization", f"Bearer {token}")] if token else []))

    def options(self) -> list[tuple[str, Any]]:
        """Of a channel: retries."""
        if not self._retry:
            return [("grpc.enable_retries", 0)]
        return [("grpc.service_config", json.dumps(_SERVICE_CONFIG)), ("grpc.enable_retries", 1)]

    def credentials(self) -> grpc.ChannelCredentials | None:
        """None: no TLS."""
        if self._tls_ca is None and self._tls_pair is None:
            return None
        certificate, key = (
            (_read_pem(path) for path in self._tls_pair) if self._tls_pair else (None, None)
        )
        return grpc.ssl_channel_credentials(
            _read_pem(self._tls_ca) if self._tls_ca else None, key, certificate
        )


class Connection:
    """A channel and what goes with every call on it.

    Methods raise the errors of `texgen.errors`.
    """

    def __init__(
        self,
        address: str,
        token: str,
        tls_ca: Path | None,
        deadline_s: float,
        tls_pair: tuple[Path, Path] | None = None,
        *,
        retry: bool = True,
    ) -> None:
        access = Access(address, token, tls_ca, tls_pair, retry=retry)
        self.address, self.deadline_s, self.metadata = address, deadline_s, access.metadata
        credentials, options = access.credentials(), access.options()
        self.channel = (
            grpc.secure_channel(address, credentials, options)
            if credentials
            else grpc.insecure_channel(address, options)
        )

    def close(self) -> None:
        """Calls in flight end with CancelledError."""
        self.channel.close()

    def stream(self, method: Any, request: Any, options: CallOptions) -> Assembler:
        """The events of a call, assembled."""
        assembler = new_assembler(options)
        for event in self.events(method(request, timeout=self.deadline_s, metadata=self.metadata)):
            assembler.feed(event)
        return assembler

    def events(self, call: Any) -> Iterator[Any]:
        """What a running call streams; its errors as ours."""
        started = False
        try:
            for event in call:
                started = True
                yield event
        except grpc.RpcError as error:
            raise translated(error, self.address, started=started) from error
        finally:
            # a no-op once the stream has ended; otherwise the server stops working on it
            call.cancel()

    def call(self, method: Any, request: Any) -> Any:
        """The answer of a short call."""
        try:
            return method(request, timeout=min(30.0, self.deadline_s), metadata=self.metadata)
        except grpc.RpcError as error:
            raise translated(error, self.address, started=False) from error


def new_assembler(options: CallOptions) -> Assembler:
    """For the events of a call."""
    return Assembler(options.get("on_progress"), options.get("on_preview"), isal_zlib.crc32)


def translated(error: grpc.RpcError, address: str, *, started: bool) -> TexgenError:
    """A failed call as one of `texgen.errors`."""
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


def error_of(code: int, message: str) -> TexgenError:
    """A google.rpc.Code and its message as one of `texgen.errors`."""
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
