# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls the server from one worker thread with pure-Python gRPC (grpclib).

Does not use bpy.

Every call puts its outcome into its own thread-safe queue, which the caller polls. Cancelling a
call cancels the server's work.
"""

import asyncio
import queue
import ssl
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpclib.client import Channel, StreamStreamMethod, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from texgen.errors import TexgenError
from texgen.pb import texgen_pb2 as pb
from texgen.wire.assembly import WHOLE_MAPS, Assembler, Progress
from texgen.wire.requests import TextureCall

CONNECT_TIMEOUT_S = 10.0
CALL_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Server:
    """Address and credentials of a server."""

    host: str
    port: int
    token: str = ""
    tls: bool = False
    tls_ca: str = ""
    """PEM file of the authority that signed the server's certificate; empty: the system's trusted
    authorities.
    """

    def metadata(self) -> dict[str, str]:
        return dict([WHOLE_MAPS]) | (
            {"authorization": f"Bearer {self.token}"} if self.token else {}
        )

    def channel(self) -> Channel:
        """Open a channel. Raises OSError if the CA file cannot be read."""
        return Channel(self.host, self.port, ssl=self._context() if self.tls else None)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.tls_ca or None)
        context.set_alpn_protocols(["h2"])
        return context


@dataclass
class Call:
    """A call in flight.

    ``outcome`` receives one item: ("done", result), ("failed", message) or ("cancelled", "").
    """

    fraction: float = 0.0
    stage: str = "connecting"
    outcome: queue.SimpleQueue[tuple[str, Any]] = field(default_factory=queue.SimpleQueue)
    future: Future[None] | None = None

    def cancel(self) -> None:
        """Request the end of the call; its outcome follows."""
        if self.future is not None:
            self.future.cancel()

    def update(self, progress: Progress) -> None:
        """Update fraction and stage from a `texgen.wire.assembly.Progress`."""
        self.fraction = progress.fraction
        self.stage = progress.stage + (
            f" ({progress.queue_position} ahead)" if progress.queue_position else ""
        )


class Transport:
    """A worker thread with an event loop; started with the first call, ended by `close`."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start_texture_call(self, server: Server, texture_call: TextureCall) -> Call:
        """Start a `texgen.wire.requests.TextureCall`; its result is a finished
        ``texgen.wire.assembly.Assembler``.
        """
        return self.start(lambda call: _stream_texture_call(call, server, texture_call))

    def start_unary_call(self, server: Server, service: str, method: str, request: Message) -> Call:
        """Start a call with a single answer; its result is that message."""
        return self.start(lambda call: _unary_call(server, service, method, request))

    def start(
        self, work: Callable[[Call], Awaitable[Any]], timeout_s: float = CALL_TIMEOUT_S
    ) -> Call:
        """Run ``work(call)``, a coroutine, in the worker thread. Returns its `Call`."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=_run_loop, args=(self._loop,), name="texgen", daemon=True
            )
            self._thread.start()
        call = Call()
        call.future = asyncio.run_coroutine_threadsafe(
            _run_to_outcome(call, work, timeout_s), self._loop
        )
        return call

    def call_soon(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function in the worker thread, if the thread runs."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(function, *arguments)

    def close(self) -> None:
        """Cancel everything and end the thread. Safe to call twice."""
        if self._thread is None or self._loop is None:
            return
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(5.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        self._thread = self._loop = None


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    loop.close()


async def _cancel_all() -> None:
    mine = asyncio.current_task()
    others = [t for t in asyncio.all_tasks() if t is not mine]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _run_to_outcome(
    call: Call, work: Callable[[Call], Awaitable[Any]], timeout_s: float
) -> None:
    """Run a call and put its outcome, whatever it is, into its queue."""
    try:
        result = await asyncio.wait_for(work(call), timeout_s)
    except asyncio.CancelledError:
        call.outcome.put(("cancelled", ""))
        raise
    except Exception as error:  # noqa: BLE001 - shown to the user instead of lost in a thread
        call.outcome.put(("failed", error_message(error)))
    else:
        call.outcome.put(("done", result))


def error_message(error: Exception) -> str:
    """Return an error as a sentence that says what to do."""
    if isinstance(error, TimeoutError):
        return f"The server did not answer within {CALL_TIMEOUT_S:.0f} s"
    if isinstance(error, GRPCError):
        if error.status is Status.UNAUTHENTICATED:
            return "The server refused the token: set it in Preferences > Add-ons > TexGen"
        return error.message or f"The server answered {error.status.name}"
    if isinstance(error, ssl.SSLError):
        return (
            "No safe connection: check TLS and the CA file in Preferences > Add-ons > "
            f"TexGen ({getattr(error, 'reason', None) or error})"
        )
    if isinstance(error, OSError | StreamTerminatedError):
        return f"No answer from the server: is 'texgen serve' running at that address? ({error})"
    if isinstance(error, TexgenError):
        return str(error)
    return f"Unexpected {type(error).__name__}: {error}"


async def _stream_texture_call(call: Call, server: Server, texture_call: TextureCall) -> Assembler:
    method = pb.DESCRIPTOR.services_by_name["TextureService"].methods_by_name[texture_call.method]
    assembler = Assembler(call.update)
    async with (
        server.channel() as channel,
        open_stream(channel, server, method, CALL_TIMEOUT_S) as stream,
    ):
        await _send(stream, texture_call.request)
        async for event in stream:
            assembler.feed(event)
    assembler.check_complete()
    return assembler


async def _send(stream: Any, request: Any) -> None:
    """Send one message, or all of an iterator. If the server refuses early, its error is raised."""
    try:
        if isinstance(request, Message):
            await asyncio.wait_for(stream.send_message(request, end=True), CONNECT_TIMEOUT_S)
            return
        for message in request:
            await stream.send_message(message)
        await stream.end()
    except StreamTerminatedError:
        await stream.recv_initial_metadata()  # raises what the server said, if it said anything
        raise


def open_stream(
    channel: Channel, server: Server, method: MethodDescriptor, timeout_s: float
) -> Any:
    """Open a stream of a method that streams its answers, by the method's descriptor."""
    kind = StreamStreamMethod if method.client_streaming else UnaryStreamMethod
    request, reply = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    return kind(channel, _path(method), request, reply).open(
        metadata=server.metadata(), timeout=timeout_s
    )


async def _unary_call(server: Server, service: str, method: str, request: Message) -> Any:
    described = pb.DESCRIPTOR.services_by_name[service].methods_by_name[method]
    async with server.channel() as channel:
        call = UnaryUnaryMethod(
            channel, _path(described), type(request), GetMessageClass(described.output_type)
        )
        return await call(request, metadata=server.metadata(), timeout=CONNECT_TIMEOUT_S)


def _path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"
