# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to the server from one worker thread, with pure-Python gRPC (grpclib). Knows nothing of bpy.

Every call puts its outcome into its own thread-safe queue; whoever started it polls. Cancelling a call cancels the server's work.
"""

import asyncio
import queue
import threading
from dataclasses import dataclass, field

from grpclib.client import Channel, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from texgen.assembly import Assembler
from texgen.errors import TexgenError
from texgen.pb import texgen_pb2 as pb

SERVICE = "/texgen.v1"
CONNECT_TIMEOUT_S = 10.0
CALL_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Server:
    """Where to call."""

    host: str
    port: int
    token: str = ""

    def metadata(self):
        return {"authorization": f"Bearer {self.token}"} if self.token else {}


@dataclass
class Call:
    """A call in flight. ``outcome`` receives one item: ("done", result) or ("failed", message) or ("cancelled", "")."""

    fraction: float = 0.0
    stage: str = "connecting"
    outcome: queue.SimpleQueue = field(default_factory=queue.SimpleQueue)
    future: object = None

    def cancel(self):
        """Ask the call to end; its outcome follows."""
        self.future.cancel()


class Transport:
    """One worker thread with one event loop; started with the first call, ended by `close`."""

    def __init__(self):
        self._loop = None
        self._thread = None

    def generate(self, server, request):
        """Start GenerateMaterial; the result is a ``texgen.maps.Material``."""
        return self._start(lambda call: _generate(call, server, request))

    def get_model(self, server):
        """Start GetModel of the default material model; the result is a ``pb.Model``."""
        return self._start(lambda call: _get_model(server))

    def close(self):
        """Cancel everything and end the thread. Safe to call twice."""
        if self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(5.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        self._thread = self._loop = None

    def _start(self, work):
        if self._thread is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run_loop, args=(self._loop,), name="texgen", daemon=True)
            self._thread.start()
        call = Call()
        call.future = asyncio.run_coroutine_threadsafe(_report(call, work), self._loop)
        return call


def _run_loop(loop):
    asyncio.set_event_loop(loop)
    loop.run_forever()
    loop.close()


async def _cancel_all():
    mine = asyncio.current_task()
    others = [t for t in asyncio.all_tasks() if t is not mine]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _report(call, work):
    """Run a call and put what came of it into its queue, whatever that is."""
    try:
        result = await asyncio.wait_for(work(call), CALL_TIMEOUT_S)
    except asyncio.CancelledError:
        call.outcome.put(("cancelled", ""))
        raise
    except TimeoutError:
        call.outcome.put(("failed", f"The server did not answer within {CALL_TIMEOUT_S:.0f} s"))
    except GRPCError as error:
        call.outcome.put(("failed", _explain(error)))
    except (OSError, StreamTerminatedError) as error:
        call.outcome.put(("failed", f"No answer from the server: is 'texgen serve' running at that address? ({error})"))
    except TexgenError as error:
        call.outcome.put(("failed", str(error)))
    except Exception as error:  # noqa: BLE001 - shown to the user instead of lost in a thread
        call.outcome.put(("failed", f"Unexpected {type(error).__name__}: {error}"))
    else:
        call.outcome.put(("done", result))


def _explain(error):
    if error.status is Status.UNAUTHENTICATED:
        return "The server refused the token: set it in Preferences > Add-ons > TexGen"
    return error.message or f"The server answered {error.status.name}"


async def _generate(call, server, request):
    assembler = Assembler(lambda p: _show(call, p))
    async with Channel(server.host, server.port) as channel:
        method = UnaryStreamMethod(channel, f"{SERVICE}.TextureService/GenerateMaterial", pb.GenerateMaterialRequest, pb.TextureEvent)
        async with method.open(metadata=server.metadata(), timeout=CALL_TIMEOUT_S) as stream:
            await asyncio.wait_for(stream.send_message(request, end=True), CONNECT_TIMEOUT_S)
            async for event in stream:
                assembler.feed(event)
    return assembler.result()


def _show(call, progress):
    call.fraction = progress.fraction
    queued = f" ({progress.queue_position} ahead)" if progress.queue_position else ""
    call.stage = progress.stage + queued


async def _get_model(server):
    async with Channel(server.host, server.port) as channel:
        method = UnaryUnaryMethod(channel, f"{SERVICE}.ModelService/GetModel", pb.GetModelRequest, pb.GetModelResponse)
        reply = await method(pb.GetModelRequest(), metadata=server.metadata(), timeout=CONNECT_TIMEOUT_S)
    return reply.model
