# SPDX-License-Identifier: Apache-2.0
"""Batches of calls on a device: which calls go together, and that it changes no result."""

from __future__ import annotations

import threading
import time

import pytest

from tests.texgen_server.engine.calls import call
from texgen.errors import CancelledError, CapacityError
from texgen_server.engine.device import Device
from texgen_server.engine.jobs import INTERACTIVE


@pytest.fixture
def device():
    made = Device()
    yield made
    made.close(5.0)


class Doubler:
    """Doubles, exactly or not, at once or after a while."""

    name = "double"
    threads = 1

    def __init__(self, *, error=0.0, most=99, alone_s=0.001, together_s=0.001):
        self.error, self.most, self.alone_s, self.together_s = error, most, alone_s, together_s
        self.sizes = []
        self.entered, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def run(self, part, inputs, *, reuse_outputs=False):
        self.entered.set()
        self.gate.wait(10)
        count = len(inputs[0])
        self.sizes.append((count, reuse_outputs))
        if count > self.most:
            raise MemoryError
        time.sleep(self.alone_s if count == 1 else self.together_s)
        return [inputs[0] * 2.0 + (self.error if count > 1 else 0.0)]

    def close(self):
        pass


def at_once(device, backend, values, priority=INTERACTIVE, **options):
    """Calls that meet: the first holds the device until all of the others wait."""
    backend.gate.clear()
    backend.entered.clear()
    first = call(backend, 0.0, shape=(1, 3))
    results = {}
    threads = [
        threading.Thread(target=lambda: results.setdefault("first", device.run(first, priority)))
    ]
    for value in values:
        made = call(backend, value, **options)
        threads.append(
            threading.Thread(
                target=lambda c=made, v=value: results.setdefault(v, outcome(device, c, priority))
            )
        )
    for number, thread in enumerate(threads):
        thread.start()
        wait_until(lambda n=number: backend.entered.is_set() and device.waiting() == n)
    backend.gate.set()
    for thread in threads:
        thread.join(10)
    return results


def wait_until(condition, longest_s=10.0):
    end = time.monotonic() + longest_s
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.0005)


def outcome(device, made, priority):
    try:
        return float(device.run(made, priority)[0].reshape(-1)[0])
    except Exception as error:  # noqa: BLE001 - it is what is asked for
        return error


def test_calls_of_a_shape_go_together_once_that_is_known_to_be_worth_it(device):
    backend = Doubler()
    assert at_once(device, backend, [1.0, 2.0, 3.0, 4.0]) | {"first": 0} == {
        1.0: 2.0,
        2.0: 4.0,
        3.0: 6.0,
        4.0: 8.0,
        "first": 0,
    }
    assert device.batches == {1: 5}  # alone, and together for a trial
    results = at_once(device, backend, [5.0, 6.0, 7.0, 8.0])
    assert [results[v] for v in (5.0, 6.0, 7.0, 8.0)] == [10.0, 12.0, 14.0, 16.0]
    assert device.batches[4] == 1


def test_calls_that_came_out_otherwise_together_stay_alone(device):
    backend = Doubler(error=1e-7)
    for _ in range(3):
        results = at_once(device, backend, [0.0, 1.0])
        assert results[1.0] == 2.0
        assert results[0.0] == 0.0
    assert set(device.batches) == {1}
    assert sum(count > 1 for count, _ in backend.sizes) == 1


def test_calls_that_gain_nothing_together_stay_alone(device):
    backend = Doubler(alone_s=0.001, together_s=0.05)
    for _ in range(3):
        at_once(device, backend, [0.0, 1.0])
    assert set(device.batches) == {1}


def test_large_calls_stay_alone(device):
    backend = Doubler()
    at_once(device, backend, [0.0, 1.0], shape=(1, 8 << 20))
    assert max(count for count, _ in backend.sizes) == 1


def test_where_memory_runs_out_the_batch_is_halved_for_good(device):
    backend = Doubler()
    values = [float(v) for v in range(8)]
    at_once(device, backend, values)
    backend.most = 2
    for _ in range(2):
        results = at_once(device, backend, values)
        assert [results[v] for v in values] == [2 * v for v in values]
    assert 8 not in [count for count, _ in backend.sizes[-6:]]
    assert device.batches[2] >= 4


def test_where_there_is_no_memory_at_all_the_call_is_refused_and_the_device_lives_on(device):
    backend = Doubler(most=0)
    assert isinstance(outcome(device, call(backend, 1.0), INTERACTIVE), CapacityError)
    backend.most = 1
    assert outcome(device, call(backend, 1.0), INTERACTIVE) == 2.0


def test_a_call_that_nobody_wants_any_more_never_runs(device):
    backend = Doubler()

    def gone():
        raise CancelledError("gone")

    assert isinstance(outcome(device, call(backend, 1.0, check=gone), INTERACTIVE), CancelledError)
    assert not backend.sizes


def test_memory_is_lent_to_one_job_at_a_time(device):
    backend, one, two = Doubler(), object(), object()
    for owner in (one, two, one):
        outcome(device, call(backend, 1.0, owner, reuse_outputs=True), INTERACTIVE)
    with device.job(one):
        pass  # at the end of a job its memory is free
    outcome(device, call(backend, 1.0, two, reuse_outputs=True), INTERACTIVE)
    assert [reuse_outputs for _, reuse_outputs in backend.sizes] == [True, False, True, True]
