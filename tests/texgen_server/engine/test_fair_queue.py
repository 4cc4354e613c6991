# SPDX-License-Identifier: Apache-2.0
"""The order of the queue: by priority, with ageing."""

from __future__ import annotations

from texgen_server.engine.fair_queue import PASSED_OVER, FairQueue
from texgen_server.engine.jobs import BATCH, INTERACTIVE


def test_the_urgent_go_first_and_nobody_starves():
    queue = FairQueue()
    queue.push(BATCH, "patient")
    for number in range(12):
        queue.push(INTERACTIVE, number)
    order = [queue.pop() for _ in range(13)]
    assert order.index("patient") == PASSED_OVER
    assert [x for x in order if x != "patient"] == list(range(12))


def test_what_is_not_ready_is_passed_by_without_losing_its_place():
    queue = FairQueue()
    for item in "abc":
        queue.push(INTERACTIVE, item)
    assert queue.pop(lambda item: item != "a") == "b"
    assert list(queue) == ["a", "c"]
    assert queue.pop(lambda item: False) is None
    assert queue.take_all() == ["a", "c"]
