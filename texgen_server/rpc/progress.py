# SPDX-License-Identifier: Apache-2.0
"""What a job tells while it is queued and made: progress and previews, as events."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator
from concurrent.futures import Executor, Future

import numpy as np
from numpy.typing import NDArray

from texgen.maps import MapKind
from texgen.pb import texgen_pb2 as pb
from texgen_server.engine.base import Engine, Job, Result
from texgen_server.rpc import convert

SOON_S = 0.05
"""From the start to the first word of progress, where the end does not come before."""
TELL_S = 0.2
"""Between two words of progress."""
TELL_QUEUED_S = 0.5
"""Between two words to those who wait: with many callers each result moves all queues, and telling
everybody would cost more than the result.
"""


class JobObserver:
    """What a job has told so far.

    Made before the job is submitted, or its first words would be lost; in the loop that watches it.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.now = job, (0.0, "queued")
        self.previews: list[tuple[MapKind, NDArray[np.uint8]]] = []
        self._stirred, self._loop = asyncio.Event(), asyncio.get_running_loop()
        job.on_progress, job.on_preview = self._progress, self._preview

    def stir(self) -> None:
        """There is something to look at. From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody looks any more
            self._loop.call_soon_threadsafe(self._stirred.set)

    async def wait(self, longest_s: float) -> None:
        """Until something stirs, or so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._stirred.wait()
        self._stirred.clear()

    def _progress(self, fraction: float, stage: str) -> None:
        self.now = (fraction, stage)

    def _preview(self, kind: MapKind, pixels: NDArray[np.uint8]) -> None:
        self.previews.append((kind, pixels))
        self.stir()


async def watch(
    engine: Engine, heard: JobObserver, future: Future[Result], pool: Executor
) -> AsyncIterator[pb.TextureEvent]:
    """Progress and preview events until the future is done; the latest state only.

    A preview is sent even where the result is there by then.
    """
    told, told_at, longest_s = None, -math.inf, SOON_S
    future.add_done_callback(lambda _: heard.stir())
    while not future.done() or heard.previews:
        if not heard.previews:
            await heard.wait(longest_s)
        fraction, stage = heard.now
        longest_s = TELL_QUEUED_S if stage == "queued" else TELL_S
        now = time.monotonic()
        current = (
            (fraction, stage, engine.position(heard.job)) if now - told_at >= longest_s else told
        )
        if current is not None and current != told:
            told, told_at = current, now
            yield pb.TextureEvent(
                progress=pb.Progress(fraction=fraction, stage=stage, queue_position=current[2])
            )
        if heard.previews:
            kind, pixels = heard.previews.pop()
            heard.previews.clear()
            yield await asyncio.get_running_loop().run_in_executor(
                pool, convert.preview_event, kind, pixels
            )
