# SPDX-License-Identifier: Apache-2.0
"""The engine of one machine: a priority queue and one thread per device. Batching has its place in `_Worker._take`."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from texgen.errors import CancelledError, CapacityError
from texgen.modelcard import ModelCard, find_card, list_cards
from texgen.recipe import MaterialRecipe
from texgen_server.backends import load_backend
from texgen_server.backends.base import Backend
from texgen_server.config import ServerConfig
from texgen_server.engine.base import DeviceInfo, MaterialJob, MaterialResult
from texgen_server.registry import MaterialModel, load_material
from texgen_server.sampling import make_plan
from texgen_server.synthesis import Synthesis


@dataclass(order=True)
class _Entry:
    priority: int
    number: int
    model_id: str = field(compare=False)
    job: MaterialJob = field(compare=False)
    future: Future[MaterialResult] = field(compare=False)
    queued_at: float = field(compare=False)


class LocalEngine:
    """An `Engine` with one worker thread for the configured device; models are loaded when first asked for."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._models = {c.id: c for c in list_cards(config.models) if c.kind == "material"}
        self._queue: list[_Entry] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closing = False
        self._loaded: dict[str, tuple[MaterialModel, Backend]] = {}
        self._capture: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._work, name="texgen-device-0", daemon=True)
        self._thread.start()

    def cards(self) -> list[ModelCard]:
        return [self._models[k] for k in sorted(self._models)]

    def card(self, model_id: str) -> ModelCard:
        return self._models[model_id] if model_id in self._models else find_card(model_id, self._config.models)

    def warm(self, model_id: str = "") -> None:
        """Load and compile a model now instead of at its first job. Raises LoadError."""
        self._backend(self.card(model_id))

    def submit(self, model_id: str, job: MaterialJob) -> Future[MaterialResult]:
        entry = _Entry(job.priority, next(self._numbers), model_id, job, Future(), time.monotonic())
        with self._changed:
            if self._closing:
                raise CapacityError("the server is shutting down: ask another one, or again later")
            if len(self._queue) >= self._config.max_queue:
                raise CapacityError(f"the queue is full ({self._config.max_queue} requests wait): try again in a moment")
            heapq.heappush(self._queue, entry)
            self._changed.notify()
        return entry.future

    def position(self, job: MaterialJob) -> int:
        with self._changed:
            ordered = sorted(self._queue)
        return next((i + 1 for i, e in enumerate(ordered) if e.job is job), 0)

    def queue_depth(self) -> int:
        with self._changed:
            return len(self._queue)

    def devices(self) -> list[DeviceInfo]:
        engine = next((backend.name for _, backend in self._loaded.values()), "")
        return [DeviceInfo(self._config.device, engine, _resident_bytes())]

    def close(self, grace_s: float) -> None:
        with self._changed:
            self._closing = True
            waiting, self._queue = self._queue, []
            self._changed.notify_all()
        for entry in waiting:
            entry.future.set_exception(CancelledError("the server shut down before the request ran"))
        self._thread.join(grace_s)
        for _, backend in self._loaded.values():
            backend.close()

    def _work(self) -> None:
        while (entry := self._take()) is not None:
            if not entry.future.set_running_or_notify_cancel():
                continue
            try:
                entry.future.set_result(self._run(entry))
            except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller, and the thread lives on
                entry.future.set_exception(error)

    def _take(self) -> _Entry | None:
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            return heapq.heappop(self._queue) if self._queue else None

    def _run(self, entry: _Entry) -> MaterialResult:
        job = entry.job
        job.token.check()
        model, backend = self._backend(self.card(entry.model_id))
        started = time.monotonic()
        job.on_progress(0.05, "computing")
        recipe = self._captured(job, model) if job.photo else job.recipe
        plan = make_plan(recipe, model.tables, model.shape, endless=job.endless, mask=job.mask)
        synthesis = Synthesis(
            backend,
            model.shape,
            check=job.token.check,
            on_progress=lambda fraction: job.on_progress(0.05 + 0.65 * fraction, "computing"),
        )
        maps, relief_tiles = synthesis.maps(plan, job.rectangle)
        job.on_progress(0.7, "encoding")
        return MaterialResult(recipe, maps, relief_tiles, backend.name, started - entry.queued_at, time.monotonic() - started)

    def _captured(self, job: MaterialJob, model: MaterialModel) -> MaterialRecipe:
        """Find the recipe of a job's photograph; the networks for it are kept for the next one."""
        from texgen_server.capture import CaptureNetworks, CaptureOptions, capture  # needs torch, which serving does not

        if model.card.digest not in self._capture:
            self._capture = {model.card.digest: CaptureNetworks(model)}
        assert job.photo is not None
        size = (job.recipe.width_px, job.recipe.height_px)
        options = CaptureOptions(job.recipe.seed, size, job.photo.class_name, job.photo.palette, job.photo.steps)
        networks = self._capture[model.card.digest]
        return capture(networks, job.photo.pixels, options, job.token.check, lambda f: job.on_progress(0.05 + 0.6 * f, "capturing"))

    def _backend(self, card: ModelCard) -> tuple[MaterialModel, Backend]:
        if card.id not in self._loaded:
            model = load_material(card)
            config = self._config
            backend = load_backend(model, config.device, config.precision, config.cache_folder / "graphs", config.threads)
            self._loaded[card.id] = (model, backend)
        return self._loaded[card.id]


def _resident_bytes() -> int:
    """Memory of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * 4096
