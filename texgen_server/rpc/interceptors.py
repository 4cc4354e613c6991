# SPDX-License-Identifier: Apache-2.0
"""The interceptor of every call: checks the token, and turns errors into status.

The table below is the only place that knows both errors and status.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
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
from texgen.wire.assembly import WHOLE_MAPS
from texgen.wire.chunks import serialized
from texgen_server.observability.call_record import CALL, CallObserver, CallRecord, Peer
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
TRACE_KEYS = ("traceparent", "tracestate")
Context = grpc.aio.ServicerContext[Any, Any]


def status_of(error: Exception, request_id: str) -> status_pb2.Status:
    """Turn an error into a rich status.

    An error that is none of ours becomes INTERNAL with an id; its text stays in the log.
    """
    code = STATUS.get(type(error))
    if code is None:
        return status_pb2.Status(
            code=code_pb2.INTERNAL, message=f"internal error {request_id}: see the server's log"
        )
    details = []
    if isinstance(error, InvalidRequestError):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=str(error)
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, CapacityError):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(RETRY_AFTER_MS)
        details.append(retry)
    packed = [any_pb2.Any() for _ in details]
    for box, detail in zip(packed, details, strict=True):
        box.Pack(detail)
    return status_pb2.Status(code=code, message=str(error), details=packed)


class Guard(grpc.aio.ServerInterceptor):
    """Checks the token of every call but health, turns exceptions into status, and gives
    ``observers`` the record of each call that ended.
    """

    def __init__(self, tokens: tuple[Token, ...], observers: Sequence[CallObserver] = ()) -> None:
        self._tokens, self._observers = tokens, observers

    async def intercept_service(
        self,
        continuation: Callable[[Any], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        is_open = not self._tokens or handler_call_details.method.startswith(OPEN_PREFIX)
        token = None if is_open else self._token_of(handler_call_details)
        return self._wrapped(
            handler, handler_call_details, token, allowed=is_open or token is not None
        )

    def _token_of(self, details: grpc.HandlerCallDetails) -> Token | None:
        text = _metadata(details).get("authorization", "")
        return (
            find_token(self._tokens, text.removeprefix(SCHEME)) if text.startswith(SCHEME) else None
        )

    def _wrapped(
        self, handler: Any, details: grpc.HandlerCallDetails, token: Token | None, *, allowed: bool
    ) -> Any:
        """Return the handler of one call with the guard around it."""
        known = _metadata(details)
        trace = {name: known[name] for name in TRACE_KEYS if name in known}
        whole = known.get(WHOLE_MAPS[0]) == WHOLE_MAPS[1]

        def guarded(context: Context) -> AbstractAsyncContextManager[list[grpc.Status]]:
            peer = _peer(token, context)
            call = CallRecord(details.method, peer, trace, takes_whole_maps=whole)
            CALL.set(call)
            return self._recorded(call, context)

        def admit() -> None:
            if not allowed:
                raise AuthenticationError(
                    "the token is missing or wrong: pass --token-file with the server's token"
                )

        return _wrap_behavior(handler, guarded, admit)

    @asynccontextmanager
    async def _recorded(
        self, call: CallRecord, context: Context
    ) -> AsyncIterator[list[grpc.Status]]:
        """Record how a call ends; gives a list that receives the status of an error."""
        failures: list[grpc.Status] = []
        try:
            yield failures
            call.end()
        except (GeneratorExit, asyncio.CancelledError):  # a stream that is closed before its end
            call.end("CANCELLED", LEFT)
            raise
        except grpc.aio.AbortError:
            call.end(context.code().name if context.code() else "UNKNOWN")
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is becomes a status
            failures.append(_end_with_error(call, error))
            # contextlib of 3.12 holds the error in a frame that its traceback holds
            error.__traceback__ = None
        finally:
            for observer in self._observers:
                observer.ended(call)


LEFT = "the client left, or its deadline passed"
HANDLERS = {
    # (streamed requests, streamed responses)
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


def _wrap_behavior(
    handler: Any,
    guarded: Callable[[Context], AbstractAsyncContextManager[list[grpc.Status]]],
    admit: Callable[[], None],
) -> Any:
    """Return a handler that runs within a context.

    A status is sent when nothing refers to the error any more: gRPC keeps what is raised then, and
    with it all objects of the functions that failed, until Python's collector runs.
    """
    name, make = HANDLERS[handler.request_streaming, handler.response_streaming]
    behavior = getattr(handler, name)

    async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
        async with guarded(context) as failures:
            admit()
            async with aclosing(behavior(request, context)) as events:
                async for event in events:
                    yield event
        await _abort(failures, context)

    async def answer(request: Any, context: Context) -> Any:
        async with guarded(context) as failures:
            admit()
            answered = await behavior(request, context)
        await _abort(failures, context)
        return answered

    streams = inspect.isasyncgenfunction(
        behavior
    )  # a stream that is written, such as health's Watch, is a coroutine
    return make(
        stream if streams else answer,
        handler.request_deserializer,
        serialized(handler.response_serializer),
    )


async def _abort(failures: list[grpc.Status], context: Context) -> None:
    for status in failures:
        await context.abort(status.code, status.details, status.trailing_metadata)


def _metadata(details: grpc.HandlerCallDetails) -> dict[str, str]:
    """Return the metadata of a call; of several values of a key the first."""
    pairs = [
        (k, v.decode("latin-1") if isinstance(v, bytes) else v)
        for k, v in details.invocation_metadata or ()
    ]
    return dict(reversed(pairs))


def _peer(token: Token | None, context: Context) -> Peer:
    """Return the peer of a call: a token's name; else the address without its port."""
    return (
        Peer(token.name, token.max_in_flight)
        if token
        else Peer(str(context.peer()).rpartition(":")[0])
    )


def _end_with_error(call: CallRecord, error: Exception) -> grpc.Status:
    """End a call with an error and return the status that the client may see."""
    known = status_of(error, call.id)
    call.end(code_pb2.Code.Name(known.code), str(error) if isinstance(error, TexgenError) else "")
    if not isinstance(error, TexgenError):
        log.error("internal error %s", call.id, exc_info=error)
    status: grpc.Status = rpc_status.to_status(known)
    return status
