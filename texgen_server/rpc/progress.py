# SPDX-License-Identifier: Apache-2.0
"""Progress and previews of a job as events, while it is queued and while it runs."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from concurrent.futures import Executor, Future

from texgen.pb import texgen_pb2 as pb
from texgen_server.engine.jobs import Result
from texgen_server.engine.protocol import Engine
from texgen_server.rpc import convert
from texgen_server.rpc.requests.order import Order

FIRST_EVENT_S = 0.05
"""Seconds from the start to the first progress event, unless the job ends before."""
INTERVAL_S = 0.2
"""Seconds between two progress events of a running job."""
QUEUED_INTERVAL_S = 0.5
"""Seconds between two progress events of a queued job: with many callers each result moves all
queues, and an event for every caller would cost more than the result.
"""


async def job_events(
    engine: Engine, order: Order, future: Future[Result], pool: Executor
) -> AsyncIterator[pb.TextureEvent]:
    """Yield progress and preview events until the job's future is done; only the latest state.

    A preview is sent even when the result is finished by then.
    """
    observer = order.observer
    sent, sent_at, longest_s = None, -math.inf, FIRST_EVENT_S
    future.add_done_callback(lambda _: observer.notify())
    while not future.done() or observer.previews:
        if not observer.previews:
            await observer.wait(longest_s)
        fraction, stage = observer.latest
        longest_s = QUEUED_INTERVAL_S if stage == "queued" else INTERVAL_S
        now = time.monotonic()
        current = (
            (fraction, stage, engine.position(order.job)) if now - sent_at >= longest_s else sent
        )
        if current is not None and current != sent:
            sent, sent_at = current, now
            yield pb.TextureEvent(
                progress=pb.Progress(fraction=fraction, stage=stage, queue_position=current[2])
            )
        if observer.previews:
            kind, pixels = observer.previews.pop()
            observer.previews.clear()
            yield await asyncio.get_running_loop().run_in_executor(
                pool, convert.preview_event, kind, pixels
            )
