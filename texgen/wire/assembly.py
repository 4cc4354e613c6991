# SPDX-License-Identifier: Apache-2.0
"""Assembles the event stream of a call into materials, map sets or environments.

No transport inside: the Python client and the Blender add-on both use it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from texgen.errors import ConnectionFailedError
from texgen.maps import Environment, MapKind, MapSet, Material, PackedMap
from texgen.pb import texgen_pb2 as pb
from texgen.wire.chunks import RawChunk
from texgen.wire.enums import KIND_FROM_PB
from texgen.wire.results import (
    ReceivedResult,
    environment_of,
    known,
    map_set_of,
    material_of,
    packed_map,
)

DAMAGED = "a map arrived damaged (it is not what the server says it sent); try again"
WHOLE_MAPS = ("texgen-whole-maps", "1")
"""Metadata of a call whose events go to an `Assembler`: it accepts small maps in one message."""
MAX_MAP_BYTES = 2**31
"""Longest map that is accepted; a longer one is refused before memory is allocated."""


class Progress(NamedTuple):
    """The progress of a call."""

    fraction: float
    """Share that is done, 0 to 1, over all results of the call."""
    stage: str
    """"queued", "computing", "encoding", "receiving" or "done"."""
    queue_position: int = 0
    """Number of requests that are served first."""


OnProgress = Callable[[Progress], None]
OnPreview = Callable[[MapKind, bytes], None]
"""Takes the kind of map that a small early picture shows, and its PNG file."""


class Assembler:
    """Collects the maps of a call's results and checks lengths, order and CRC-32.

    Feed it all events of the call, then take the results in the form that the method returns:
    `materials`, `map_set` or `environment`.
    """

    def __init__(
        self,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        crc32: Callable[[bytes | memoryview, int], int] = zlib.crc32,
    ) -> None:
        """Start with no events; ``crc32`` may be a faster one than zlib's."""
        self._on_progress = on_progress or (lambda progress: None)
        self._on_preview = on_preview or (lambda kind, png: None)
        self._crc32 = crc32
        self._accepted = pb.Accepted()
        self._results: list[ReceivedResult] = []
        self._maps: dict[MapKind, PackedMap] = {}
        self._header: pb.MapHeader | None = None
        self._buffer = memoryview(b"")
        self._received = self._checksum = 0

    def feed(self, event: pb.TextureEvent | RawChunk) -> None:
        """Take one event. Raises ConnectionFailedError when the stream contradicts itself."""
        if isinstance(event, RawChunk):
            self._append(event)
            return
        match event.WhichOneof("event"):
            case "accepted":
                self._accepted, self._maps = event.accepted, {}
            case "progress":
                p = event.progress
                self._on_progress(Progress(self._overall(p.fraction), p.stage, p.queue_position))
            case "preview":
                kind = known(KIND_FROM_PB, event.preview.kind)
                self._on_preview(kind, event.preview.png)
            case "map_header":
                self._begin_map(event.map_header)
            case "chunk":
                self._append(event.chunk)
            case "map_end":
                self._end_map(event.map_end)
            case "whole_maps":
                self._add_whole(event.whole_maps)
            case "summary":
                self._end_result(event.summary)

    def check_complete(self) -> None:
        """Raise ConnectionFailedError when the stream ended before the last result's summary."""
        if not self._complete():
            raise ConnectionFailedError(
                "the server ended the stream before the result was complete; nothing was kept, "
                "try again"
            )

    def material(self) -> Material:
        """Return the last material. Raises ConnectionFailedError when it is not complete."""
        return self.materials()[-1]

    def materials(self) -> list[Material]:
        """Return all materials of the call.

        Raises ConnectionFailedError when the last one is not complete.
        """
        self.check_complete()
        return [material_of(result) for result in self._results]

    def map_set(self) -> MapSet:
        """Return the maps of an upscale or a repair.

        Raises ConnectionFailedError when they are not complete.
        """
        self.check_complete()
        return map_set_of(self._results[-1])

    def environment(self) -> Environment:
        """Return the environment. Raises ConnectionFailedError when it is not complete."""
        self.check_complete()
        return environment_of(self._results[-1])

    def _count(self) -> int:
        return max(1, self._accepted.count)

    def _complete(self) -> bool:
        return len(self._results) >= self._count()

    def _overall(self, fraction: float) -> float:
        """Return 0..1 over all results of the call, from the fraction of the current one."""
        return min(1.0, (len(self._results) + fraction) / self._count())

    def _begin_map(self, header: pb.MapHeader) -> None:
        if header.byte_size > MAX_MAP_BYTES:
            raise ConnectionFailedError(
                f"the server announced a map of {header.byte_size} bytes; at most "
                f"{MAX_MAP_BYTES} are accepted"
            )
        self._header, self._received, self._checksum = header, 0, 0
        # numpy takes it in huge pages, unlike bytes: filling it takes a third of the time
        self._buffer = np.empty(header.byte_size, np.uint8).data

    def _append(self, chunk: pb.Chunk | RawChunk) -> None:
        header = self._header
        if header is None or chunk.kind != header.kind or chunk.offset != self._received:
            raise ConnectionFailedError("the server sent a piece of a map out of order; try again")
        data = chunk.data
        if self._received + len(data) > header.byte_size:
            raise ConnectionFailedError(
                "the server sent more bytes of a map than it announced; try again"
            )
        self._buffer[self._received : self._received + len(data)] = data
        # piece by piece, while it is in the processor's cache
        self._checksum = self._crc32(data, self._checksum)
        self._received += len(data)

    def _end_map(self, end: pb.MapEnd) -> None:
        header = self._header
        if header is None or self._received != header.byte_size:
            raise ConnectionFailedError(DAMAGED)
        raw = header.encoding == pb.ENCODING_RAW
        data = self._buffer.toreadonly() if raw else self._buffer.tobytes()
        self._add_map(header, data, self._checksum, end)
        self._header, self._buffer = None, memoryview(b"")

    def _add_whole(self, message: pb.WholeMaps) -> None:
        for whole in message.maps:
            data = whole.data
            if len(data) != whole.header.byte_size:
                raise ConnectionFailedError(DAMAGED)
            self._add_map(whole.header, data, self._crc32(data, 0), whole.end)

    def _add_map(
        self, header: pb.MapHeader, data: bytes | memoryview, checksum: int, end: pb.MapEnd
    ) -> None:
        """Keep a complete map if its end confirms it; a server from before the CRC-32 sends only a
        hash.
        """
        right = (
            checksum == end.crc32
            if end.HasField("crc32")
            else hashlib.sha256(data).digest() == end.sha256
        )
        if not right or (end.kind, end.byte_size) != (header.kind, header.byte_size):
            raise ConnectionFailedError(DAMAGED)
        packed = packed_map(header, data)
        self._maps[packed.kind] = packed
        self._on_progress(Progress(self._overall(0.9), "receiving"))

    def _end_result(self, summary: pb.Summary) -> None:
        self._results.append(ReceivedResult(self._maps, summary, self._accepted))
        self._on_progress(Progress(self._overall(0.0), "done" if self._complete() else "queued"))
