# SPDX-License-Identifier: Apache-2.0
"""The process on a node of a Ray cluster: a local engine, called over Ray Serve.

Batches form inside it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from texgen.errors import InvalidRequestError, TexgenError
from texgen_server.config import ServerConfig
from texgen_server.engine.jobs import CancelToken, Job, ignore_preview, ignore_progress
from texgen_server.engine.local import LocalEngine
from texgen_server.process.settings import tune_this_process

Update = tuple[str, Any]
"""A message of a running job: "progress", (fraction, stage); "preview", (kind, pixels); at the end
"batches", {batch size: runs} since the last such message, and "result", a `Result`, or "error",
(kind, message, field).
"""


class Replica:
    """A process of the cluster, with the devices that Ray assigned to it."""

    def __init__(self, config: ServerConfig) -> None:
        tune_this_process()
        self._engine = LocalEngine(config)
        self._batches_reported: Counter[int] = Counter()

    async def run(self, model_id: str, job: Job, left_s: float) -> AsyncIterator[Update]:
        """Run a job that `portable_job` packed; ``left_s`` is the time until its deadline.

        The job is cancelled when the caller closes the stream.
        """
        updates: asyncio.Queue[Update] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def send(kind: str, content: Any) -> None:
            loop.call_soon_threadsafe(updates.put_nowait, (kind, content))

        own = replace(
            job,
            token=CancelToken(time.monotonic() + left_s),
            on_progress=lambda fraction, stage: send("progress", (fraction, stage)),
            on_preview=lambda kind, pixels: send("preview", (kind, pixels)),
        )
        try:
            future = self._engine.submit(model_id, own)
            future.add_done_callback(lambda _: send("done", None))
            while (update := await updates.get())[0] != "done":
                yield update
            yield "batches", self._new_batches()
            yield "result", future.result()
        except TexgenError as error:
            field = error.field if isinstance(error, InvalidRequestError) else ""
            yield "error", (type(error).__name__, str(error), field)
        finally:
            own.token.cancel()

    def _new_batches(self) -> dict[int, int]:
        """Return the runs since the last call: the caller adds them up, and keeps the sum when this
        process is gone.
        """
        now = Counter(self._engine.batches())
        fresh, self._batches_reported = now - self._batches_reported, now
        return dict(fresh)

    async def load(self, model_id: str) -> None:
        """Load and compile a model here. Raises LoadError."""
        await asyncio.wrap_future(self._engine.load(model_id))

    async def state(self) -> tuple[str, list[str]]:
        """Return the engine's name and the ids of the models in memory."""
        return self._engine.name(), self._engine.loaded()


def portable_job(job: Job) -> tuple[Job, float]:
    """Return a job that can be pickled, without callbacks and with a token of its own, and the
    seconds until its deadline: clocks of two machines differ.
    """
    left_s = (
        job.token.deadline - time.monotonic() if math.isfinite(job.token.deadline) else math.inf
    )
    sent = replace(job, token=CancelToken(), on_progress=ignore_progress, on_preview=ignore_preview)
    return sent, left_s
