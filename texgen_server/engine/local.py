# SPDX-License-Identifier: Apache-2.0
"""The engine of one machine: one queue of jobs, and for each device threads that take from it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from texgen.errors import CancelledError, CapacityError
from texgen.modelcard import ModelCard
from texgen_server.backends import arithmetic, device_names, engine_name
from texgen_server.config import ServerConfig
from texgen_server.engine.device_worker import DeviceWorker
from texgen_server.engine.fair_queue import FairQueue
from texgen_server.engine.jobs import BATCH, Job, Result
from texgen_server.engine.model_catalog import ModelCatalog
from texgen_server.engine.protocol import DeviceInfo, jobs_at_a_time

BEFORE_ALL = -1
"""Priority of loading and unloading, before all jobs."""


@dataclass(eq=False)
class _Entry:
    """An entry of the queue: a job, or a change of the models in memory, which is for one
    worker.
    """

    work: Callable[[DeviceWorker], Any]
    job: Job | None = None
    models: tuple[str, ...] = ()
    worker: DeviceWorker | None = None
    future: Future[Any] = field(default_factory=Future)

    @property
    def large(self) -> bool:
        return self.job is not None and self.job.large

    @property
    def is_batch(self) -> bool:
        return self.job is not None and self.job.priority >= BATCH


class LocalEngine:
    """An `Engine` on the configured devices; a model is loaded at its first job. It changes no
    setting of the process (`process.settings` does).

    Raises InvalidRequestError for a device or a precision that is not here.
    """

    def __init__(self, config: ServerConfig) -> None:
        names = device_names(config.device)
        for name in names:  # refuse a precision that the hardware lacks before anything starts
            arithmetic(name, config.precision)
        self._config = config
        self._catalog = ModelCatalog(config.models)
        self._queue: FairQueue[_Entry] = FairQueue()
        self._running: dict[_Entry, DeviceWorker] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._workers = [DeviceWorker(name, config) for name in names]
        self._threads = [
            threading.Thread(
                target=self._work,
                args=(worker,),
                name=f"texgen-job-{worker.name}-{number}",
                daemon=True,
            )
            for worker in self._workers
            for number in range(self._jobs(worker))
        ]
        for thread in self._threads:
            thread.start()

    def cards(self) -> list[ModelCard]:
        return self._catalog.all()

    def card(self, model_id: str, kind: str | None = "material") -> ModelCard:
        return self._catalog.of_kind(model_id, kind)

    def warm(self, model_id: str = "") -> None:
        """Load and compile a model now instead of at its first job. Raises LoadError."""
        for worker in self._workers:
            worker.load(self._catalog.find(model_id))

    def submit(self, model_id: str, job: Job) -> Future[Result]:
        queued_at = time.monotonic()
        names = tuple(self._catalog.find(name).id for name in (model_id, *job.helpers))

        def work(worker: DeviceWorker) -> Result:
            return worker.run(job, [self._catalog.find(name) for name in names], queued_at)

        return self._push(job.priority, [_Entry(work, job, names)])[0]

    def load(self, model_id: str) -> Future[None]:
        card = self._catalog.find(model_id)
        loading = [
            _Entry(lambda worker: worker.load(card) and None, worker=worker)
            for worker in self._workers
        ]
        return _combined(self._push(BEFORE_ALL, loading), lambda results: None)

    def unload(self, model_id: str) -> Future[bool]:
        card = self._catalog.find(model_id)
        entries = [
            _Entry(lambda worker: worker.unload(card.id), models=(card.id,), worker=worker)
            for worker in self._workers
        ]
        return _combined(self._push(BEFORE_ALL, entries), any)

    def loaded(self) -> list[str]:
        return sorted({name for worker in self._workers for name in worker.loaded()})

    def position(self, job: Job) -> int:
        with self._changed:
            return next(
                (place + 1 for place, entry in enumerate(self._queue) if entry.job is job), 0
            )

    def queue_depth(self) -> int:
        with self._changed:
            return len(self._queue)

    def batches(self) -> dict[int, int]:
        return dict(sum((worker.device.batches for worker in self._workers), Counter[int]()))

    def devices(self) -> list[DeviceInfo]:
        used = _resident_bytes()
        return [self._device(worker, used) for worker in self._workers]

    def name(self) -> str:
        return engine_name(self._workers[0].name, self._config.precision)

    def _device(self, worker: DeviceWorker, used_bytes: int) -> DeviceInfo:
        decided = arithmetic(worker.name, self._config.precision)
        return DeviceInfo(
            worker.name,
            next(iter(worker.loaded().values()), ""),
            used_bytes,
            decided.precision,
            decided.kind,
            worker.threads(),
            decided.why,
        )

    def close(self, grace_s: float) -> None:
        end = time.monotonic() + grace_s
        with self._changed:
            self._closing = True
            waiting = self._queue.take_all()
            self._changed.notify_all()
        for entry in waiting:
            entry.future.set_exception(
                CancelledError("the server shut down before the request ran")
            )
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        with self._changed:
            late = [entry.job for entry in self._running if entry.job]
        for job in late:
            job.token.cancel()
        for worker in self._workers:
            worker.close(max(1.0, end - time.monotonic()))

    def _jobs(self, worker: DeviceWorker) -> int:
        return jobs_at_a_time(self._config, gpu=worker.name.startswith("cuda"))

    def _push(self, priority: int, entries: list[_Entry]) -> list[Future[Any]]:
        with self._changed:
            if self._closing:
                raise CapacityError("the server is shutting down: ask another one, or again later")
            if len(self._queue) >= self._config.max_queue:
                raise CapacityError(
                    f"the queue is full ({self._config.max_queue} requests wait): try again in "
                    f"a moment"
                )
            for entry in entries:
                self._queue.push(priority, entry)
            self._changed.notify_all()
        return [entry.future for entry in entries]

    def _work(self, worker: DeviceWorker) -> None:
        while (entry := self._take(worker)) is not None:
            try:
                if entry.future.set_running_or_notify_cancel():
                    _run_entry(entry, worker)
            finally:
                with self._changed:
                    del self._running[entry]
                    self._changed.notify_all()
            del entry  # nor its result: this thread may wait long for the next one

    def _take(self, worker: DeviceWorker) -> _Entry | None:
        """Wait for the next entry of a worker; None at the end."""
        with self._changed:
            while not self._closing:
                if (entry := self._queue.pop(lambda e: self._ready(e, worker))) is not None:
                    self._running[entry] = worker
                    return entry
                self._changed.wait()
            return None

    def _ready(self, entry: _Entry, worker: DeviceWorker) -> bool:
        """Return True if the worker may begin the entry now."""
        running = [e for e, where in self._running.items() if where is worker]
        if entry.job is None:
            return entry.worker is worker and not any(
                set(entry.models) & set(e.models) for e in running
            )
        unloading = {
            name
            for e in [*self._queue, *running]
            if e.job is None and e.worker is worker
            for name in e.models
        }
        if unloading & set(entry.models):
            return False
        if entry.large and any(e.large for e in running):
            return False
        jobs = self._jobs(worker)
        return (
            not entry.is_batch or jobs == 1 or sum(e.is_batch for e in running) < jobs - 1
        )  # one place is kept for an interactive job


def _run_entry(entry: _Entry, worker: DeviceWorker) -> None:
    """Do an entry's work and set its future."""
    try:
        result = entry.work(worker)
    except MemoryError:
        entry.future.set_exception(
            CapacityError(
                "the server is out of memory: ask for a smaller size, or try again in a moment"
            )
        )
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller, and the thread lives on
        entry.future.set_exception(error)
    else:
        entry.future.set_result(result)


def _combined(futures: list[Future[Any]], combine: Callable[[list[Any]], Any]) -> Future[Any]:
    """Make a future that is done when all are, with their combined results or the first error."""
    whole: Future[Any] = Future()
    left = [len(futures)]
    lock = threading.Lock()

    def on_done(_: Future[Any]) -> None:
        with lock:
            left[0] -= 1
            if left[0]:
                return
        errors = [f.exception() for f in futures if f.exception()]
        if errors:
            whole.set_exception(errors[0])
        else:
            whole.set_result(combine([f.result() for f in futures]))

    for future in futures:
        future.add_done_callback(on_done)
    return whole


def _resident_bytes() -> int:
    """Return the resident memory of this process; 0 where the system does not report it."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * 4096
