# SPDX-License-Identifier: Apache-2.0
"""One device: its thread runs one call of a network at a time, the most urgent first; calls of one
shape from several jobs go together.

A batch must not change a result. So the first time that so many calls of a shape meet they run
alone and then together: only where that gave the same bytes, and sooner, do later ones go together.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from texgen.errors import CapacityError
from texgen_server.backend import Array, Backend
from texgen_server.engine.fair_queue import FairQueue

BATCH_BYTES = 48 << 20
"""Of the inputs of a batch: about what the largest window of a material takes alone, which a device
must hold anyway.
"""
LARGEST_BATCH = 16
WORTH = 0.97
"""Share of the time alone that a batch may take."""

Shape = tuple[int, str, tuple[tuple[int, ...], ...]]
"""What calls share that may go together: the backend, its part, the shapes of the inputs."""


@dataclass(eq=False)
class Call:
    """One part of a network on some inputs, for someone who waits."""

    owner: object
    """The job."""
    backend: Backend
    part: str
    inputs: list[Array]
    reuse_outputs: bool
    check: Callable[[], None]
    """Called before it runs; raises where nobody wants it any more."""
    future: Future[list[Array]] = field(default_factory=Future)

    @property
    def shape(self) -> Shape:
        """Calls of one shape may go together."""
        return id(self.backend), self.part, tuple(x.shape for x in self.inputs)

    @property
    def together(self) -> int:
        """How many of its shape may go together, by their size."""
        return min(LARGEST_BATCH, BATCH_BYTES // max(1, sum(x.nbytes for x in self.inputs)))


class Device:
    """Safe to use from any thread, until closed.

    ``window_s``: how long a call waits for others to go with, where several jobs are there.
    """

    def __init__(self, window_s: float = 0.0) -> None:
        self.window_s = window_s
        self.jobs = 0
        """Those that may come with a call; one alone waits for nobody."""
        self.batches: Counter[int] = Counter()
        """How often so many calls ran together."""
        self._changed = threading.Condition()
        self._waiting: FairQueue[Call] = FairQueue()
        self._worth: dict[tuple[Shape, int], bool] = {}
        self._borrowers: dict[tuple[int, str], object] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="texgen-device-0", daemon=True)
        self._thread.start()

    def run(self, call: Call, priority: int) -> list[Array]:
        """Wait for the call's turn and its end.

        Raises what the network or ``check`` raises; CapacityError where memory runs out.
        """
        with self._changed:
            if self._closing:
                raise CapacityError("the server is shutting down: ask another one, or again later")
            self._waiting.push(priority, call)
            self._changed.notify()
        return call.future.result()

    def release(self, owner: object) -> None:
        """The job has ended: memory that was lent to it is free."""
        with self._changed:
            self._borrowers = {
                place: who for place, who in self._borrowers.items() if who is not owner
            }

    def forget(self, backend: Backend) -> None:
        """The backend is closed: another one may come to have its address."""
        with self._changed:
            self._worth = {
                key: worth for key, worth in self._worth.items() if key[0][0] != id(backend)
            }

    def close(self, grace_s: float) -> None:
        """Let the running call end; those that wait fail."""
        with self._changed:
            self._closing = True
            waiting = self._waiting.take_all()
            self._changed.notify_all()
        for call in waiting:
            call.future.set_exception(
                CapacityError("the server is shutting down: ask another one, or again later")
            )
        self._thread.join(grace_s)

    def _work(self) -> None:
        while (group := self._next()) is not None:
            try:
                self._run(group)
            except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the callers, and the thread lives on
                _fail(group, error)

    def _next(self) -> list[Call] | None:
        """The next call, and those that go with it; None at the end."""
        with self._changed:
            while not len(self._waiting) and not self._closing:
                self._changed.wait()
            first = self._waiting.pop()
            if first is None:
                return None
            group = [first]
            if first.together > 1:
                if self.window_s and self.jobs > 1:
                    self._changed.wait_for(
                        lambda: len(self._waiting) >= self.jobs - 1, self.window_s
                    )
                group += self._batch_mates(first)
            return group

    def _batch_mates(self, first: Call) -> list[Call]:
        """Calls that go with this one: as many as are known, or not yet known, to be worth it
        together; a power of two in all.
        """
        like = [call for call in self._waiting if call.shape == first.shape]
        count = 1
        while 2 * count <= min(len(like) + 1, first.together) and self._worth.get(
            (first.shape, 2 * count), True
        ):
            count *= 2
        chosen = like[: count - 1]
        return self._waiting.take_all(lambda call: call in chosen)

    def _run(self, group: list[Call]) -> None:
        """Run calls of one shape, and tell those who wait."""
        wanted = [call for call in group if _still_wanted(call)]
        if len(wanted) < len(group):
            for call in wanted:
                self._alone(call)
        elif len(group) == 1:
            self._alone(group[0])
        elif self._worth.get((group[0].shape, len(group))):
            self._together(group)
        else:
            self._try(group)

    def _alone(self, call: Call) -> None:
        self.batches[1] += 1
        _tell(call, self._outcome(call, lent=self._lent(call)))

    def _lent(self, call: Call) -> bool:
        """Whether its outputs may lie in memory of the backend: one job at a time has the use of
        that.
        """
        if not call.reuse_outputs:
            return False
        with self._changed:
            return (
                self._borrowers.setdefault((id(call.backend), call.part), call.owner) is call.owner
            )

    @staticmethod
    def _outcome(call: Call, *, lent: bool) -> list[Array] | BaseException:
        try:
            return call.backend.run(call.part, call.inputs, reuse_outputs=lent)
        except MemoryError:
            return CapacityError(
                "the device is out of memory: ask for a smaller size, or try again in a moment"
            )
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller
            return error

    def _together(self, group: list[Call]) -> None:
        outputs = None
        with suppress(MemoryError):
            outputs = _batch(group)
        if outputs is None:
            self._halve(group)
            return
        self.batches[len(group)] += 1
        for call, output in zip(group, outputs, strict=True):
            call.future.set_result(output)

    def _halve(self, group: list[Call]) -> None:
        """Memory ran out: never so many of these again, and now half as many at a time."""
        self._worth[(group[0].shape, len(group))] = False
        half = len(group) // 2
        for part in (group[:half], group[half:]):
            if len(part) > 1:
                self._together(part)
            else:
                self._alone(part[0])

    def _try(self, group: list[Call]) -> None:
        """The first time: alone, then together. What came alone is what is told."""
        started = time.perf_counter()
        outcomes = [self._outcome(call, lent=False) for call in group]
        alone_s = time.perf_counter() - started
        self.batches[1] += len(group)
        try:
            started = time.perf_counter()
            outputs = _batch(group)
            worth = time.perf_counter() - started < WORTH * alone_s and all(
                map(_equal, outputs, outcomes)
            )
        except Exception:  # noqa: BLE001 - a trial that fails only tells that they do not go together
            worth = False
        self._worth[(group[0].shape, len(group))] = worth
        for call, outcome in zip(group, outcomes, strict=True):
            _tell(call, outcome)


def _tell(call: Call, outcome: list[Array] | BaseException) -> None:
    if isinstance(outcome, BaseException):
        call.future.set_exception(outcome)
    else:
        call.future.set_result(outcome)


def _still_wanted(call: Call) -> bool:
    try:
        call.check()
    except BaseException as error:  # noqa: BLE001 - it belongs to the caller
        call.future.set_exception(error)
        return False
    return True


def _batch(group: list[Call]) -> list[list[Array]]:
    """Inputs joined along their first axis, outputs cut apart again."""
    first = group[0]
    joined = [
        np.concatenate(inputs) for inputs in zip(*(call.inputs for call in group), strict=True)
    ]
    outputs = first.backend.run(first.part, joined, reuse_outputs=False)
    return [
        list(pieces)
        for pieces in zip(*(np.split(output, len(group)) for output in outputs), strict=True)
    ]


def _equal(a: list[Array], b: list[Array] | BaseException) -> bool:
    return not isinstance(b, BaseException) and all(
        x.shape == y.shape and np.array_equal(x, y) for x, y in zip(a, b, strict=True)
    )


def _fail(group: list[Call], error: BaseException) -> None:
    for call in group:
        if not call.future.done():
            call.future.set_exception(error)


class QueuedBackend:
    """A `Backend` for one job: its calls wait for their turn on the device."""

    def __init__(
        self,
        device: Device,
        backend: Backend,
        owner: object,
        priority: int,
        check: Callable[[], None],
    ) -> None:
        self.name, self.threads = backend.name, backend.threads
        self._device, self._backend, self._owner, self._priority, self._check = (
            device,
            backend,
            owner,
            priority,
            check,
        )

    def run(self, part: str, inputs: list[Array], *, reuse_outputs: bool = False) -> list[Array]:
        return self._device.run(
            Call(self._owner, self._backend, part, inputs, reuse_outputs, self._check),
            self._priority,
        )

    def close(self) -> None:
        """Nothing: the backend is not the job's."""
