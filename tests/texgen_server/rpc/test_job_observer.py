# SPDX-License-Identifier: Apache-2.0
"""The observer of a job, between the engine's threads and the event loop."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np

from texgen.maps import MapKind
from texgen_server.rpc.job_observer import JobObserver


def test_a_preview_from_another_thread_ends_the_wait():
    async def run():
        observer = JobObserver(asyncio.get_running_loop())
        pixels = np.zeros((2, 2, 3), np.uint8)
        thread = threading.Thread(target=observer.preview, args=(MapKind.BASECOLOR, pixels))
        started = time.monotonic()
        thread.start()
        await observer.wait(30.0)
        thread.join()
        return time.monotonic() - started, observer.previews

    waited_s, previews = asyncio.run(run())
    assert waited_s < 10.0
    assert [kind for kind, _ in previews] == [MapKind.BASECOLOR]


def test_progress_alone_wakes_nobody_and_only_the_latest_stays():
    async def run():
        observer = JobObserver(asyncio.get_running_loop())
        observer.progress(0.1, "computing")
        observer.progress(0.2, "encoding")
        await observer.wait(0.01)
        return observer.latest

    assert asyncio.run(run()) == (0.2, "encoding")


def test_without_a_loop_or_after_its_end_reports_do_no_harm():
    loop = asyncio.new_event_loop()
    loop.close()
    for observer in (JobObserver(None), JobObserver(loop)):
        observer.preview(MapKind.AO, np.zeros((1, 1, 3), np.uint8))
        assert observer.previews
