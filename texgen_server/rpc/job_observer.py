# SPDX-License-Identifier: Apache-2.0
"""The observer of a job: takes its progress and previews from the engine's threads to the event
loop.
"""

from __future__ import annotations

import asyncio
import contextlib

import numpy as np
from numpy.typing import NDArray

from texgen.maps import MapKind


class JobObserver:
    """Holds the latest progress and the previews of one job that were not sent yet.

    It exists before its job does, so that no report of the job is lost.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """``loop`` is the event loop that waits for the job; None where none does."""
        self.latest = (0.0, "queued")
        """Finished share in [0, 1] and name of the stage."""
        self.previews: list[tuple[MapKind, NDArray[np.uint8]]] = []
        self._changed, self._loop = asyncio.Event(), loop

    def progress(self, fraction: float, stage: str) -> None:
        """Take the progress. Safe to call from any thread."""
        self.latest = (fraction, stage)

    def preview(self, kind: MapKind, pixels: NDArray[np.uint8]) -> None:
        """Take a preview (h, w, 3) sRGB. Safe to call from any thread."""
        self.previews.append((kind, pixels))
        self.notify()

    def notify(self) -> None:
        """Wake `wait`. Safe to call from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing waits any more
                self._loop.call_soon_threadsafe(self._changed.set)

    async def wait(self, longest_s: float) -> None:
        """Wait for `notify`, at most ``longest_s`` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._changed.wait()
        self._changed.clear()
