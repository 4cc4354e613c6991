# SPDX-License-Identifier: GPL-3.0-or-later
"""Following sliders: the server draws the latest position, at most one at a time.

Knows nothing of bpy.
"""

import asyncio
import queue

from texgen.errors import TexgenError
from texgen.pb import texgen_pb2 as pb
from texgen.wire.assembly import Assembler

from . import transport

METHOD = pb.DESCRIPTOR.services_by_name["TextureService"].methods_by_name["Explore"]
LONGEST_S = 24 * 3600.0


class Exploration:
    """One stream of positions.

    `move` and `take` never wait; positions that were overtaken are never sent.
    """

    def __init__(self, worker, server):
        self._worker = worker
        self._wanted = None
        self._changed = asyncio.Event()
        self._answers = queue.SimpleQueue()
        self.call = worker.start(lambda call: self._follow(server), LONGEST_S)

    def move(self, request):
        """A `pb.GenerateMaterialRequest` to draw next; one that still waits is dropped."""
        self._worker.soon(self._want, request)

    def take(self):
        """The newest answer, a ``texgen.maps.Material`` or a ``TexgenError``; None while there is
        none.
        """
        newest = None
        while not self._answers.empty():
            newest = self._answers.get()
        return newest

    @property
    def ended(self):
        """What ended the stream:

        None while it runs, else a sentence (empty where it was closed).
        """
        return None if self.call.outcome.empty() else self.call.outcome.get()[1]

    def close(self):
        """End the stream; the server stops drawing."""
        self.call.cancel()

    def _want(self, request):
        self._wanted = request
        self._changed.set()

    async def _follow(self, server):
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
                    pb.ExploreRequest(sequence=sequence, material=self._wanted)
                )
                self._answers.put(await self._answer(stream, sequence))

    async def _answer(self, stream, sequence):
        """The material of a position, or why it cannot be drawn."""
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
