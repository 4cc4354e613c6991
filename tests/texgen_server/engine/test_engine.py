# SPDX-License-Identifier: Apache-2.0
"""Who goes first, what goes together, and that neither changes a result."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from tests.tiny import write_tiny_model
from texgen.errors import CancelledError, CapacityError, InvalidRequestError
from texgen.modelcard import find_card
from texgen.recipes.build import make_recipe
from texgen_server.backends import device_names
from texgen_server.config import ServerConfig
from texgen_server.engine.device import Device
from texgen_server.engine.fair_queue import PASSED_OVER, FairQueue
from texgen_server.engine.jobs import BATCH, INTERACTIVE, MaterialJob
from texgen_server.engine.local import LocalEngine
from texgen_server.engine.network_call import LARGEST_BATCH, NetworkCall


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_tiny_model(folder / "material")
    return folder


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


def call(backend, value, owner=None, shape=(1, 2), reuse_outputs=False, check=lambda: None):
    return NetworkCall(
        owner or object(), backend, "x", [np.full(shape, value, np.float32)], reuse_outputs, check
    )


def outcome(device, made, priority):
    try:
        return float(device.run(made, priority)[0].reshape(-1)[0])
    except Exception as error:  # noqa: BLE001 - it is what is asked for
        return error


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


def test_a_batch_has_a_limit():
    assert call(None, 0.0).largest_batch == LARGEST_BATCH


@pytest.mark.parametrize("devices", ["torch", "torch,torch"])
def test_many_jobs_at_once_come_out_as_they_do_alone(models, devices):
    card = find_card("material", models)
    recipes = [
        make_recipe(card, [(name, 1.0)], seed, (64, 64))
        for name in ("bark", "brick")
        for seed in range(6)
    ]
    alone = LocalEngine(ServerConfig(models=models, device="torch", jobs=1))
    expected = [alone.submit("material", MaterialJob(r)).result(60).maps for r in recipes]
    alone.close(5.0)
    engine = LocalEngine(ServerConfig(models=models, device=devices, jobs=6))
    for _ in range(2):  # the first time batches are tried, then they run
        futures = [
            engine.submit("material", MaterialJob(r, priority=i % 2)) for i, r in enumerate(recipes)
        ]
        for future, maps in zip(futures, expected, strict=True):
            made = future.result(60).maps
            assert all(np.array_equal(made[kind], maps[kind]) for kind in maps)
    assert sum(engine.batches().values()) > 0
    engine.close(5.0)


def test_room_is_kept_for_whoever_cannot_wait(models):
    """While patient jobs hold all but one place, a person's job begins at once."""
    card = find_card("material", models)
    engine = LocalEngine(ServerConfig(models=models, device="torch", jobs=2))
    engine.warm("material")
    slow = [
        engine.submit(
            "material",
            MaterialJob(make_recipe(card, [("bark", 1.0)], s, (1024, 1024)), priority=BATCH),
        )
        for s in range(3)
    ]
    person = engine.submit("material", MaterialJob(make_recipe(card, [("bark", 1.0)], 9, (32, 32))))
    assert person.result(60).maps
    assert not slow[-1].done()
    engine.close(0.0)


def test_models_that_nobody_uses_make_room(models, tmp_path):
    for name in ("a", "b", "c"):
        write_tiny_model(tmp_path / name)
    engine = LocalEngine(ServerConfig(models=tmp_path, device="torch", models_bytes=200_000))
    for name in ("a", "b", "a", "c"):
        engine.load(name).result(60)
    assert "c" in engine.loaded()
    assert len(engine.loaded()) < 3
    assert "b" not in engine.loaded()
    engine.close(5.0)


def test_devices_of_several_kinds_are_refused():
    with pytest.raises(InvalidRequestError, match="several kinds"):
        device_names("openvino,torch")
    with pytest.raises(InvalidRequestError, match="cuda:N"):
        device_names("cuda:x")
    assert device_names("cuda:0, cuda:1") == ["cuda:0", "cuda:1"]
