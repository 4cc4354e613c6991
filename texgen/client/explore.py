# SPDX-License-Identifier: Apache-2.0
"""Follows sliders: send positions as they are moved, read the materials that come back."""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from texgen.client.connection import Connection, error_of_code, new_assembler
from texgen.errors import TexgenError
from texgen.maps import Encoding, MapKind, Material
from texgen.pb import texgen_pb2 as pb
from texgen.wire import requests


class Explorer:
    """A stream of slider positions; use it as a context manager.

    `send` never waits; iterate for the answers, in another thread if need be.
    `texgen.Client.explore` opens one.
    """

    def __init__(self, connection: Connection) -> None:
        """Open the stream on a connection."""
        self._connection = connection
        self._outgoing: queue.SimpleQueue[pb.ExploreRequest | None] = queue.SimpleQueue()
        self._sent = 0
        self._stream = connection.start("Explore", iter(self._outgoing.get, None), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._stream.cancel()

    def send(
        self,
        classes: str | Mapping[str, float] = "",
        *,
        seed: int | None = None,
        size_px: tuple[int, int] | None = (256, 256),
        psi: float | None = None,
        controls: Mapping[str, float] | None = None,
        recipe: str = "",
        prompt: str = "",
        window_px: tuple[int, int, int, int] | None = None,
        endless: bool = False,
        mask: bytes = b"",
        detail: str = "",
        model: str = "",
        maps: Iterable[MapKind] = (),
        encoding: Encoding = Encoding.RAW,
    ) -> int:
        """Send one position of the sliders.

        Args:
            classes: As in `texgen.Client.generate`; so are all arguments.
            seed: 0 to 2**64 - 1; None: the server chooses one.
            size_px: (width, height) in px, multiples of 32; None: the recipe's, else 1024 x 1024.
            psi: Truncation, 0 (the average of the class) to 1.5; None: 1.
            controls: Values by name; a control that is missing has its default.
            recipe: A recipe text, instead of classes, prompt, seed, psi and controls.
            prompt: A description in English, instead of classes.
            window_px: (x, y, width, height) in px: generates only this part; None: everything.
            endless: Places the window in a field that never repeats, not on the tile.
            mask: The PNG file of a painted mixture, together with its recipe.
            detail: "sr": enlarges smaller maps with the upscaler; empty: full size.
            model: Model id; empty: the server's default material model.
            maps: Kinds of map to return; empty: all.
            encoding: Format of the returned maps.

        Returns:
            The number of the position, counted from 1, which comes back with its material.

        Raises:
            InvalidRequestError: An argument has the wrong type or is out of range.

        Example:
            ```python
            number = sliders.send("bark", seed=7, controls={"moss": 0.4})
            ```
        """
        position = requests.generate(
            classes,
            seed=seed,
            size_px=size_px,
            psi=psi,
            controls=controls,
            recipe=recipe,
            prompt=prompt,
            window_px=window_px,
            endless=endless,
            mask=mask,
            detail=detail,
            model=model,
            maps=maps,
            encoding=encoding,
        )
        self._sent += 1
        self._outgoing.put(requests.explore(self._sent, position))
        return self._sent

    def close(self) -> None:
        """Announce that no more positions follow; the answer to the last one still comes."""
        self._outgoing.put(None)

    def __iter__(self) -> Iterator[tuple[int, Material | TexgenError]]:
        """Yield (number, material), or (number, error) for a position that cannot be generated.

        Positions that were overtaken are skipped. Raises TexgenError when the stream fails.
        """
        assembler, current = new_assembler(), 0
        for answer in self._connection.events(self._stream):
            if answer.sequence != current:
                assembler, current = new_assembler(), answer.sequence
            if answer.HasField("error"):
                yield current, error_of_code(answer.error.code, answer.error.message)
                continue
            assembler.feed(answer.event)
            if answer.event.HasField("summary"):
                yield current, assembler.material()
