# SPDX-License-Identifier: Apache-2.0
"""The engine of one machine: a priority queue and one thread per device. Batching has its place in `_Worker._take`."""

from __future__ import annotations

import gc
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from texgen.errors import CancelledError, CapacityError, InvalidRequestError
from texgen.modelcard import ModelCard, find_card, list_cards
from texgen_server.backends import engine_name, load_backend
from texgen_server.config import ServerConfig
from texgen_server.engine.base import DeviceInfo, Job, Result
from texgen_server.engine.runners import Loaded, run_job
from texgen_server.registry import KINDS, load_model


@dataclass(order=True)
class _Entry:
    priority: int
    number: int
    job: Job | None = field(compare=False)
    work: Callable[[], Any] = field(compare=False)
    future: Future[Any] = field(compare=False)


BEFORE_ALL = -1
"""Priority of loading and unloading."""


class LocalEngine:
    """An `Engine` with one worker thread for the configured device; models are loaded when first asked for."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._models = {c.id: c for c in list_cards(config.models) if c.kind in KINDS}
        self._queue: list[_Entry] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closing = False
        self._loaded: dict[str, Loaded] = {}
        self._kept: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._work, name="texgen-device-0", daemon=True)
        self._thread.start()

    def cards(self) -> list[ModelCard]:
        self._models |= {c.id: c for c in list_cards(self._config.models) if c.kind in KINDS and c.id not in self._models}
        return [self._models[k] for k in sorted(self._models)]

    def card(self, model_id: str, kind: str | None = "material") -> ModelCard:
        card = self._any_card(model_id or kind or "")
        if kind not in (None, card.kind):
            raise InvalidRequestError(f"model {card.id!r} is of kind {card.kind!r}: this call takes one of kind {kind!r}", "model")
        return card

    def warm(self, model_id: str = "") -> None:
        """Load and compile a model now instead of at its first job. Raises LoadError."""
        self._backend(self._any_card(model_id))

    def submit(self, model_id: str, job: Job) -> Future[Result]:
        queued_at = time.monotonic()
        return self._push(job.priority, lambda: self._run(model_id, job, queued_at), job)

    def load(self, model_id: str) -> Future[None]:
        card = self._any_card(model_id)
        return self._push(BEFORE_ALL, lambda: self._backend(card) and None)

    def unload(self, model_id: str) -> Future[bool]:
        card = self._any_card(model_id)
        return self._push(BEFORE_ALL, lambda: self._release(card.id))

    def loaded(self) -> list[str]:
        return sorted(self._loaded)

    def _push(self, priority: int, work: Callable[[], Any], job: Job | None = None) -> Future[Any]:
        entry = _Entry(priority, next(self._numbers), job, work, Future())
        with self._changed:
            if self._closing:
                raise CapacityError("the server is shutting down: ask another one, or again later")
            if len(self._queue) >= self._config.max_queue:
                raise CapacityError(f"the queue is full ({self._config.max_queue} requests wait): try again in a moment")
            heapq.heappush(self._queue, entry)
            self._changed.notify()
        return entry.future

    def _release(self, model_id: str) -> bool:
        """In the device's thread: nothing runs meanwhile."""
        loaded = self._loaded.pop(model_id, None)
        if loaded is None:
            return False
        self._kept.clear()
        loaded.backend.close()
        gc.collect()
        return True

    def position(self, job: Job) -> int:
        with self._changed:
            ordered = sorted(self._queue)
        return next((i + 1 for i, e in enumerate(ordered) if e.job is job), 0)

    def queue_depth(self) -> int:
        with self._changed:
            return len(self._queue)

    def devices(self) -> list[DeviceInfo]:
        engine = next((loaded.backend.name for loaded in self._loaded.values()), "")
        return [DeviceInfo(self._config.device, engine, _resident_bytes())]

    def name(self) -> str:
        return engine_name(self._config.device, self._config.precision)

    def close(self, grace_s: float) -> None:
        with self._changed:
            self._closing = True
            waiting, self._queue = self._queue, []
            self._changed.notify_all()
        for entry in waiting:
            entry.future.set_exception(CancelledError("the server shut down before the request ran"))
        self._thread.join(grace_s)
        for loaded in self._loaded.values():
            loaded.backend.close()

    def _work(self) -> None:
        while (entry := self._take()) is not None:
            if not entry.future.set_running_or_notify_cancel():
                continue
            try:
                entry.future.set_result(entry.work())
            except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller, and the thread lives on
                entry.future.set_exception(error)

    def _take(self) -> _Entry | None:
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            return heapq.heappop(self._queue) if self._queue else None

    def _run(self, model_id: str, job: Job, queued_at: float) -> Result:
        job.token.check()
        loaded = [self._backend(self._any_card(name)) for name in (model_id, *job.helpers)]
        started = time.monotonic()
        result = run_job(job, loaded, self._kept)
        return replace(result, engine=loaded[0].backend.name, queue_s=started - queued_at, compute_s=time.monotonic() - started)

    def _any_card(self, model_id: str) -> ModelCard:
        return self._models[model_id] if model_id in self._models else find_card(model_id, self._config.models)

    def _backend(self, card: ModelCard) -> Loaded:
        if card.id not in self._loaded:
            model = load_model(card)
            config = self._config
            backend = load_backend(model, config.device, config.precision, config.cache_folder / "graphs", config.threads)
            self._loaded[card.id] = Loaded(model, backend)
        return self._loaded[card.id]


def _resident_bytes() -> int:
    """Memory of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * 4096
