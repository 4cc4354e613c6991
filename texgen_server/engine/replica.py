# SPDX-License-Identifier: Apache-2.0
"""What runs on the nodes of a Ray cluster: a local engine, asked over Ray Serve.

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
from texgen_server.engine.base import CancelToken, Job
from texgen_server.engine.local import LocalEngine
from texgen_server.process.settings import tune_this_process

Update = tuple[str, Any]
""""progress", (fraction, stage); "preview", (kind, pixels); at the end "batches", {calls together:
runs} since somebody was told, and "result", a `Result`, or "error", (kind, message, field).
"""


class Replica:
    """One process of the cluster, with the devices that Ray gave it."""

    def __init__(self, config: ServerConfig) -> None:
        tune_this_process()
        self._engine = LocalEngine(config)
        self._batches_told: Counter[int] = Counter()

    async def run(self, model_id: str, job: Job, left_s: float) -> AsyncIterator[Update]:
        """Do a job that `portable_job` packed; ``left_s`` until its deadline.

        Whoever stops listening cancels it.
        """
        told: asyncio.Queue[Update] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(what: str, about: Any) -> None:
            loop.call_soon_threadsafe(told.put_nowait, (what, about))

        job.token.deadline = time.monotonic() + left_s
        job.on_progress = lambda fraction, stage: tell("progress", (fraction, stage))
        job.on_preview = lambda kind, pixels: tell("preview", (kind, pixels))
        try:
            future = self._engine.submit(model_id, job)
            future.add_done_callback(lambda _: tell("done", None))
            while (update := await told.get())[0] != "done":
                yield update
            yield "batches", self._batches()
            yield "result", future.result()
        except TexgenError as error:
            yield (
                "error",
                (
                    type(error).__name__,
                    str(error),
                    error.field if isinstance(error, InvalidRequestError) else "",
                ),
            )
        finally:
            job.token.cancel()

    def _batches(self) -> dict[int, int]:
        """What ran since this was asked for: whoever asks adds up, and keeps it when this process
        is gone.
        """
        now = Counter(self._engine.batches())
        fresh, self._batches_told = now - self._batches_told, now
        return dict(fresh)

    async def load(self, model_id: str) -> None:
        """Load and compile a model here. Raises LoadError."""
        await asyncio.wrap_future(self._engine.load(model_id))

    async def state(self) -> tuple[str, list[str]]:
        """The engine's name, and the models in memory."""
        return self._engine.name(), self._engine.loaded()


def portable_job(job: Job) -> tuple[Job, float]:
    """A job as it can be sent, and the seconds until its deadline: nobody's callbacks, a token of
    its own, no clock but a distance.
    """
    left_s = (
        job.token.deadline - time.monotonic() if math.isfinite(job.token.deadline) else math.inf
    )
    return replace(job, token=CancelToken(), on_progress=_unheard, on_preview=_unheard), left_s


def _unheard(*_: Any) -> None:
    """Nobody listens yet."""
