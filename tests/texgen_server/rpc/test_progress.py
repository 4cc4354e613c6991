# SPDX-License-Identifier: Apache-2.0
"""Events of a job while it is queued and while it runs."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from texgen.maps import Encoding, MapKind
from texgen.recipes.build import make_recipe
from texgen_server.engine.jobs import MaterialJob, Result
from texgen_server.rpc.job_observer import JobObserver
from texgen_server.rpc.progress import job_events
from texgen_server.rpc.requests.order import Delivery, Order


class Idle:
    """An engine in which one job waits."""

    def position(self, job):
        return 3


def events_of(card, work):
    """Events of a job that ``work(observer, future)`` stands for."""

    async def run():
        observer, future = JobObserver(asyncio.get_running_loop()), Future()
        job = MaterialJob(make_recipe(card, [("bark", 1.0)], 1, (64, 64)))
        order = Order(job, observer, "", Delivery([MapKind.AO], Encoding.PNG))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(work, observer, future)
            return [event async for event in job_events(Idle(), order, future, pool)]

    return asyncio.run(run())


def test_a_preview_is_sent_even_when_the_result_is_there(card):
    def work(observer, future):
        observer.preview(MapKind.BASECOLOR, np.zeros((8, 8, 3), np.uint8))
        future.set_result(Result({}))

    kinds = [event.WhichOneof("event") for event in events_of(card, work)]
    assert kinds.count("preview") == 1


def test_only_the_latest_of_several_previews_is_sent(card):
    def work(observer, future):
        for _ in range(3):
            observer.previews.append((MapKind.BASECOLOR, np.zeros((8, 8, 3), np.uint8)))
        future.set_result(Result({}))

    events = events_of(card, work)
    assert sum(event.HasField("preview") for event in events) == 1


def test_a_job_that_takes_its_time_says_where_it_stands(card):
    def work(observer, future):
        observer.progress(0.0, "queued")
        time.sleep(0.7)
        future.set_result(Result({}))

    told = [e.progress for e in events_of(card, work) if e.HasField("progress")]
    assert [(p.stage, p.queue_position) for p in told] == [("queued", 3)]
