# SPDX-License-Identifier: Apache-2.0
"""Packed maps -> the events that carry them: in pieces, or, for clients that take them, small maps
whole and several in one event.
"""

from __future__ import annotations

from collections.abc import Iterator

from texgen.pb import texgen_pb2 as pb
from texgen.wire.chunks import CHUNK_BYTES, ReadyEvent, write_chunk, write_whole_maps

Event = pb.TextureEvent | ReadyEvent
WHOLE_BYTES, TOGETHER_BYTES = 1 << 20, 2 << 20
"""Most bytes of a map that is sent whole, and of the maps in one event."""


class MapSender:
    """Turns the maps of one result, in order, into events; `rest` yields the maps that were held
    back to go together.
    """

    def __init__(self, *, whole: bool) -> None:
        self._whole, self._held_bytes = whole, 0
        self._held: list[tuple[pb.MapHeader, bytes | memoryview, pb.MapEnd]] = []

    def add(
        self, header: pb.MapHeader, data: bytes | memoryview, end: pb.MapEnd
    ) -> Iterator[Event]:
        """Add a map and yield the events that are ready."""
        whole = self._whole and len(data) <= WHOLE_BYTES
        if not whole or self._held_bytes + len(data) > TOGETHER_BYTES:
            yield from self.rest()
        if whole:
            self._held.append((header, data, end))
            self._held_bytes += len(data)
            return
        yield pb.TextureEvent(map_header=header)
        yield from chunk_events(header.kind, data)
        yield pb.TextureEvent(map_end=end)

    def rest(self) -> Iterator[Event]:
        """Yield the event of the maps that are still held back, if any."""
        if self._held:
            yield write_whole_maps(self._held)
        self._held, self._held_bytes = [], 0


def chunk_events(kind: pb.MapKind, data: bytes | memoryview) -> Iterator[ReadyEvent]:
    """Yield a packed map in pieces."""
    view = memoryview(data)
    for offset in range(0, len(data), CHUNK_BYTES):
        yield write_chunk(kind, offset, view[offset : offset + CHUNK_BYTES])


def whole_event(event: Event) -> pb.TextureEvent:
    """Return the event as a message that can be part of another one."""
    return pb.TextureEvent.FromString(event.message) if isinstance(event, ReadyEvent) else event
