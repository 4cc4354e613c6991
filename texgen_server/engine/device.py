# SPDX-License-Identifier: Apache-2.0
"""A device: its thread runs one call of a network at a time, the most urgent first; calls of one
shape from several jobs go together.

A batch must not change a result. So the first time that so many calls of a shape meet they run
alone and then together: only where that gave the same bytes, and sooner, do later ones go together.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from texgen.errors import CapacityError
from texgen_server.backend import Array, Backend
from texgen_server.engine.fair_queue import FairQueue
from texgen_server.engine.network_call import NetworkCall, Shape, fail_all, run_batch, same_bytes

WORTH = 0.97
"""Share of the time alone that a batch may take."""


class Device:
    """Runs calls of networks in a thread of its own. Safe to use from any thread, until closed."""

    def __init__(self, name: str = "device", window_s: float = 0.0) -> None:
        """``window_s``: the longest wait of a call for others to form a batch with, where several
        jobs run.
        """
        self.window_s = window_s
        self.batches: Counter[int] = Counter()
        """Batch size -> number of runs."""
        self._changed = threading.Condition()
        self._jobs = 0
        self._waiting: FairQueue[NetworkCall] = FairQueue()
        self._worth: dict[tuple[Shape, int], bool] = {}
        self._output_owners: dict[tuple[int, str], object] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=f"texgen-{name}", daemon=True)
        self._thread.start()

    @contextmanager
    def job(self, owner: object) -> Iterator[None]:
        """Count a job that may bring calls, as long as it runs; a single one waits for no other.

        At its end the output memory that was lent to it is free again.
        """
        with self._changed:
            self._jobs += 1
        try:
            yield
        finally:
            with self._changed:
                self._jobs -= 1
                self._output_owners = {
                    place: job for place, job in self._output_owners.items() if job is not owner
                }

    def run(self, call: NetworkCall, priority: int) -> list[Array]:
        """Wait for the call's turn and its end.

        Raises what the network or ``check`` raises; CapacityError where memory runs out.
        """
        with self._changed:
            if self._closing:
                raise CapacityError("the server is shutting down: ask another one, or again later")
            self._waiting.push(priority, call)
            self._changed.notify()
        return call.future.result()

    def waiting(self) -> int:
        """Return the number of calls that wait."""
        with self._changed:
            return len(self._waiting)

    def forget(self, backend: Backend) -> None:
        """Drop what is known of a closed backend: another one may get its address."""
        with self._changed:
            self._worth = {
                key: worth for key, worth in self._worth.items() if key[0][0] != id(backend)
            }

    def close(self, grace_s: float) -> None:
        """Let the running call end; the calls that wait fail with CapacityError."""
        with self._changed:
            self._closing = True
            waiting = self._waiting.take_all()
            self._changed.notify_all()
        fail_all(
            waiting,
            CapacityError("the server is shutting down: ask another one, or again later"),
        )
        self._thread.join(grace_s)

    def _work(self) -> None:
        while (group := self._next()) is not None:
            try:
                self._run(group)
            except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the callers, and the thread lives on
                fail_all(group, error)

    def _next(self) -> list[NetworkCall] | None:
        """Return the next call, and those that go with it; None at the end."""
        with self._changed:
            while not len(self._waiting) and not self._closing:
                self._changed.wait()
            first = self._waiting.pop()
            if first is None:
                return None
            group = [first]
            if first.largest_batch > 1:
                if self.window_s and self._jobs > 1:
                    self._changed.wait_for(
                        lambda: len(self._waiting) >= self._jobs - 1, self.window_s
                    )
                group += self._batch_mates(first)
            return group

    def _batch_mates(self, first: NetworkCall) -> list[NetworkCall]:
        """Take the calls that go with this one: as many as are known, or not yet known, to be
        worth it together; a power of two in all.
        """
        like = [call for call in self._waiting if call.shape == first.shape]
        count = 1
        while 2 * count <= min(len(like) + 1, first.largest_batch) and self._worth.get(
            (first.shape, 2 * count), True
        ):
            count *= 2
        chosen = like[: count - 1]
        return self._waiting.take_all(lambda call: call in chosen)

    def _run(self, group: list[NetworkCall]) -> None:
        """Run calls of one shape and set their futures."""
        wanted = [call for call in group if call.is_wanted()]
        if len(wanted) < len(group):
            for call in wanted:
                self._run_alone(call)
        elif len(group) == 1:
            self._run_alone(group[0])
        elif self._worth.get((group[0].shape, len(group))):
            self._run_together(group)
        else:
            self._try_together(group)

    def _run_alone(self, call: NetworkCall) -> None:
        self.batches[1] += 1
        call.resolve(call.run_alone(reuse_outputs=self._may_reuse(call)))

    def _may_reuse(self, call: NetworkCall) -> bool:
        """Return True if the outputs may lie in memory of the backend: one job at a time has the
        use of it.
        """
        if not call.reuse_outputs:
            return False
        with self._changed:
            return (
                self._output_owners.setdefault((id(call.backend), call.part), call.owner)
                is call.owner
            )

    def _run_together(self, group: list[NetworkCall]) -> None:
        outputs = None
        with suppress(MemoryError):
            outputs = run_batch(group)
        if outputs is None:
            self._halve(group)
            return
        self.batches[len(group)] += 1
        for call, output in zip(group, outputs, strict=True):
            call.resolve(output)

    def _halve(self, group: list[NetworkCall]) -> None:
        """Run half as many at a time after memory ran out, and never so many of these again."""
        self._worth[(group[0].shape, len(group))] = False
        half = len(group) // 2
        for part in (group[:half], group[half:]):
            if len(part) > 1:
                self._run_together(part)
            else:
                self._run_alone(part[0])

    def _try_together(self, group: list[NetworkCall]) -> None:
        """Run a batch size for the first time: alone, whose outputs count, then together."""
        started = time.perf_counter()
        outcomes = [call.run_alone(reuse_outputs=False) for call in group]
        alone_s = time.perf_counter() - started
        self.batches[1] += len(group)
        try:
            started = time.perf_counter()
            outputs = run_batch(group)
            worth = time.perf_counter() - started < WORTH * alone_s and all(
                map(same_bytes, outputs, outcomes)
            )
        except Exception:  # noqa: BLE001 - a failed trial only shows that they do not go together
            worth = False
        self._worth[(group[0].shape, len(group))] = worth
        for call, outcome in zip(group, outcomes, strict=True):
            call.resolve(outcome)


class QueuedBackend:
    """A `Backend` for one job, whose calls wait for their turn on the device."""

    def __init__(
        self,
        device: Device,
        backend: Backend,
        owner: object,
        priority: int,
        check: Callable[[], None],
    ) -> None:
        self.name, self.threads = backend.name, backend.threads
        self._device, self._backend = device, backend
        self._owner, self._priority, self._check = owner, priority, check

    def run(self, part: str, inputs: list[Array], *, reuse_outputs: bool = False) -> list[Array]:
        return self._device.run(
            NetworkCall(self._owner, self._backend, part, inputs, reuse_outputs, self._check),
            self._priority,
        )

    def close(self) -> None:
        """Do nothing: the backend does not belong to the job."""
