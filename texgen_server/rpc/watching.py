# SPDX-License-Identifier: Apache-2.0
"""What a job tells while it is queued and made: progress and previews, as events."""

from __future__ import annotations

import asyncio
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

POLL_S = 0.05
"""Between looks at a job's progress and previews; its end is heard at once."""
TELL_S = 0.2
"""Between two words of progress: with many callers each result moves all queues, and telling everybody would cost more than the result."""


class Heard:
    """What a job has told so far. Made before the job is submitted, or its first words would be lost."""

    def __init__(self, job: Job) -> None:
        self.job, self.now = job, (0.0, "queued")
        self.previews: list[tuple[MapKind, NDArray[np.uint8]]] = []
        job.on_progress, job.on_preview = self._progress, self._preview

    def _progress(self, fraction: float, stage: str) -> None:
        self.now = (fraction, stage)

    def _preview(self, kind: MapKind, pixels: NDArray[np.uint8]) -> None:
        self.previews.append((kind, pixels))


async def watch(engine: Engine, heard: Heard, future: Future[Result], pool: Executor) -> AsyncIterator[pb.TextureEvent]:
    """Progress and preview events until the future is done; the latest state only. A preview is sent even where the result is there by then."""
    done, told, told_at = asyncio.wrap_future(future), None, -math.inf
    done.add_done_callback(lambda d: d.cancelled() or d.exception())  # seen, or asyncio logs it; the caller raises it from ``future``
    while not done.done() or heard.previews:
        await asyncio.wait([done], timeout=POLL_S)
        fraction, stage = heard.now
        now = time.monotonic()
        current = (fraction, stage, engine.position(heard.job)) if now - told_at >= TELL_S else told
        if current is not None and current != told:
            told, told_at = current, now
            yield pb.TextureEvent(progress=pb.Progress(fraction=fraction, stage=stage, queue_position=current[2]))
        if heard.previews:
            kind, pixels = heard.previews.pop()
            heard.previews.clear()
            yield await asyncio.get_running_loop().run_in_executor(pool, convert.preview_event, kind, pixels)
