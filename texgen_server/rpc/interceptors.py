# SPDX-License-Identifier: Apache-2.0
"""Around every call: the token, and errors -> status. The table below is the only place that knows both."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from texgen.errors import (
    AuthenticationError,
    CancelledError,
    CapacityError,
    InvalidRequestError,
    LoadError,
    NotFoundError,
    TexgenError,
)
from texgen_server.tokens import Token, find_token

log = logging.getLogger("texgen.server")

STATUS: dict[type[Exception], int] = {
    InvalidRequestError: code_pb2.INVALID_ARGUMENT,
    NotFoundError: code_pb2.NOT_FOUND,
    LoadError: code_pb2.FAILED_PRECONDITION,
    CapacityError: code_pb2.RESOURCE_EXHAUSTED,
    CancelledError: code_pb2.CANCELLED,
    AuthenticationError: code_pb2.UNAUTHENTICATED,
}
RETRY_AFTER_MS = 500
SCHEME = "Bearer "
OPEN_PREFIX = "/grpc.health.v1.Health/"


def status_of(error: Exception, request_id: str) -> status_pb2.Status:
    """An error as a rich status. What is not ours becomes INTERNAL with an id; its text stays in the log."""
    code = STATUS.get(type(error))
    if code is None:
        return status_pb2.Status(code=code_pb2.INTERNAL, message=f"internal error {request_id}: see the server's log")
    details = []
    if isinstance(error, InvalidRequestError):
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=str(error))
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, CapacityError):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(RETRY_AFTER_MS)
        details.append(retry)
    packed = [any_pb2.Any() for _ in details]
    for box, detail in zip(packed, details, strict=True):
        box.Pack(detail)
    return status_pb2.Status(code=code, message=str(error), details=packed)


PEER: ContextVar[Peer] = ContextVar("peer")
"""Who makes the current call: set before its handler runs."""


@dataclass(frozen=True)
class Peer:
    """Who calls: a token's name, or an address where none is asked for."""

    name: str
    max_in_flight: int = 0
    """0: as many as any."""


class Guard(grpc.aio.ServerInterceptor):
    """Checks the token of every call but health, and turns exceptions into status."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = tokens

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if not self._tokens or handler_call_details.method.startswith(OPEN_PREFIX):
            return _wrapped(handler, allowed=True, token=None)
        token = self._shown(handler_call_details)
        return _wrapped(handler, allowed=token is not None, token=token)

    def _shown(self, details: grpc.HandlerCallDetails) -> Token | None:
        given = next((v for k, v in details.invocation_metadata or () if k == "authorization"), "")
        text = given.decode("latin-1") if isinstance(given, bytes) else given
        return find_token(self._tokens, text.removeprefix(SCHEME)) if text.startswith(SCHEME) else None


def _peer(token: Token | None, context: grpc.aio.ServicerContext[Any, Any]) -> Peer:
    """A token's name; else the address without its port."""
    return Peer(token.name, token.max_in_flight) if token else Peer(str(context.peer()).rpartition(":")[0])


def _wrapped(handler: Any, *, allowed: bool, token: Token | None) -> Any:
    """The handler of one call with the guard around it; streaming requests are passed through."""
    if handler.unary_unary:

        async def unary(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            PEER.set(_peer(token, context))
            return await _guarded(handler.unary_unary(request, context), context, allowed=allowed)

        return grpc.unary_unary_rpc_method_handler(unary, handler.request_deserializer, handler.response_serializer)
    if handler.unary_stream:

        async def stream(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            PEER.set(_peer(token, context))
            events = handler.unary_stream(request, context)
            while (event := await _guarded(anext(events, None), context, allowed=allowed)) is not None:
                yield event

        return grpc.unary_stream_rpc_method_handler(stream, handler.request_deserializer, handler.response_serializer)
    if handler.stream_stream:

        async def both(requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            PEER.set(_peer(token, context))
            events = aiter(handler.stream_stream(requests, context))
            while (event := await _guarded(anext(events, None), context, allowed=allowed)) is not None:
                yield event

        return grpc.stream_stream_rpc_method_handler(both, handler.request_deserializer, handler.response_serializer)
    return handler


async def _guarded(work: Awaitable[Any], context: grpc.aio.ServicerContext[Any, Any], *, allowed: bool) -> Any:
    request_id = secrets.token_hex(6)
    try:
        if not allowed:
            if hasattr(work, "close"):
                work.close()
            raise AuthenticationError("the token is missing or wrong: pass --token-file with the server's token")
        return await work
    except TexgenError as error:
        log.info("refused: %s", error)
        await _abort(context, error, request_id)
    except grpc.aio.AbortError:
        raise
    except Exception as error:
        log.exception("internal error %s", request_id)
        await _abort(context, error, request_id)


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: Exception, request_id: str) -> None:
    status = rpc_status.to_status(status_of(error, request_id))
    await context.abort(status.code, status.details, status.trailing_metadata)
