# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams slider positions to the server, which renders the latest one, at most one at a time.

Does not use bpy.
"""

import asyncio
import queue
from typing import Any

from texgen.errors import TexgenError
from texgen.maps import Material
from texgen.pb import texgen_pb2 as pb
from texgen.wire.assembly import Assembler

from . import transport

METHOD = pb.DESCRIPTOR.services_by_name["TextureService"].methods_by_name["Explore"]
LONGEST_S = 24 * 3600.0


class Exploration:
    """A stream of slider positions.

    `move` and `latest_answer` never block; positions that were overtaken are not sent.
    """

    def __init__(self, worker: transport.Transport, server: transport.Server) -> None:
        self._worker = worker
        self._latest: pb.GenerateMaterialRequest | None = None
        self._changed = asyncio.Event()
        self._answers: queue.SimpleQueue[Material | TexgenError] = queue.SimpleQueue()
        self.call = worker.start(lambda call: self._follow(server), LONGEST_S)

    def move(self, request: pb.GenerateMaterialRequest) -> None:
        """Set the position to render next, a `pb.GenerateMaterialRequest`; replaces one that still
        waits.
        """
        self._worker.call_soon(self._set_latest, request)

    def latest_answer(self) -> Material | TexgenError | None:
        """Return the newest answer, a ``texgen.maps.Material`` or a ``TexgenError``; None if there
        is none yet.
        """
        newest = None
        while not self._answers.empty():
            newest = self._answers.get()
        return newest

    @property
    def ended(self) -> str | None:
        """Return None while the stream runs, else an error message (empty if the stream was closed
        on purpose).
        """
        return None if self.call.outcome.empty() else str(self.call.outcome.get()[1])

    def close(self) -> None:
        """End the stream; the server stops its work."""
        self.call.cancel()

    def _set_latest(self, request: pb.GenerateMaterialRequest) -> None:
        self._latest = request
        self._changed.set()

    async def _follow(self, server: transport.Server) -> None:
        async with (
            server.channel() as channel,
            transport.open_stream(channel, server, METHOD, LONGEST_S) as stream,
        ):
            sequence = 0
            while True:
                await self._changed.wait()
                self._changed.clear()
                sequence += 1
                await stream.send_message(
                    pb.ExploreRequest(sequence=sequence, material=self._latest)
                )
                self._answers.put(await self._answer(stream, sequence))

    async def _answer(self, stream: Any, sequence: int) -> Material | TexgenError:
        """Receive the material of a position, or the error that the server reported for it."""
        assembler = Assembler()
        while True:
            answer = await stream.recv_message()
            if answer is None:
                raise ConnectionResetError("the server ended the exploration")
            if answer.sequence != sequence:
                continue
            if answer.HasField("error"):
                return TexgenError(answer.error.message)
            assembler.feed(answer.event)
            if answer.event.HasField("summary"):
                return assembler.material()
