# SPDX-License-Identifier: Apache-2.0
"""Following sliders from Python: send positions as they are moved, read the materials that come
back.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping
from typing import Any

from texgen.client.connection import Connection, error_of, new_assembler
from texgen.errors import TexgenError
from texgen.maps import Encoding, MapKind, Material
from texgen.pb import texgen_pb2 as pb
from texgen.wire.assembly import ENCODING_TO_PB, KIND_TO_PB
from texgen.wire.request_fields import checked_seed, size_message
from texgen.wire.requests import class_mix

END = object()


class Explorer:
    """One exploration; use it as a context manager.

    `send` never waits; iterate for answers, in another thread if need be.
    """

    def __init__(self, connection: Connection, method: Any) -> None:
        self._connection = connection
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._sent = 0
        self._call = method(iter(self._outgoing.get, END), metadata=connection.metadata)

    def __enter__(self) -> Explorer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._call.cancel()

    def send(
        self,
        classes: str | Mapping[str, float] = "",
        *,
        seed: int | None = None,
        size_px: tuple[int, int] = (256, 256),
        controls: Mapping[str, float] | None = None,
        recipe: str = "",
        maps: tuple[MapKind, ...] = (),
        encoding: Encoding = Encoding.RAW,
    ) -> int:
        """One position of the sliders, as `Client.generate` takes it. Returns its number."""
        request = pb.GenerateMaterialRequest(
            recipe=recipe,
            classes=class_mix(classes),
            seed=checked_seed(seed),
            size=size_message(size_px),
            controls=dict(controls or {}),
            maps=[KIND_TO_PB[kind] for kind in maps],
            encoding=ENCODING_TO_PB[encoding],
        )
        self._sent += 1
        self._outgoing.put(pb.ExploreRequest(sequence=self._sent, material=request))
        return self._sent

    def close(self) -> None:
        """No more positions: the answer to the last one still comes."""
        self._outgoing.put(END)

    def __iter__(self) -> Iterator[tuple[int, Material | TexgenError]]:
        """(number, material), or (number, error) for a position that cannot be shown.

        Positions that were overtaken are skipped.
        """
        assembler, current = new_assembler({}), 0
        for answer in self._connection.events(self._call):
            if answer.sequence != current:
                assembler, current = new_assembler({}), answer.sequence
            if answer.HasField("error"):
                yield current, error_of(answer.error.code, answer.error.message)
                continue
            assembler.feed(answer.event)
            if answer.event.HasField("summary"):
                yield current, assembler.result()
