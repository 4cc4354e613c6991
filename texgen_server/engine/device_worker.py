# SPDX-License-Identifier: Apache-2.0
"""A device with the models on it."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from texgen.modelcard import ModelCard
from texgen_server.backends import load_backend
from texgen_server.cache_folder import usable_folder
from texgen_server.config import ServerConfig
from texgen_server.engine.device import Device, QueuedBackend
from texgen_server.engine.jobs import Job, Result
from texgen_server.engine.runners import DeviceCaches, LoadedNetwork, run_job
from texgen_server.registry import load_model

BATCH_WINDOW_S = 0.002
"""Longest wait of a call for others to form a batch with, where the device gains by batches."""


class DeviceWorker:
    """Runs jobs on one device, several at a time: while one waits for the device the maps of
    another are postprocessed. Safe to use from any thread.
    """

    def __init__(self, name: str, config: ServerConfig) -> None:
        self.name = name
        self.device = Device(name, BATCH_WINDOW_S if name.startswith("cuda") else 0.0)
        self._config = config
        self._loaded: dict[str, LoadedNetwork] = {}
        """Model id -> loaded model, the least recently used one first."""
        self._users: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._caches = DeviceCaches()

    def run(self, job: Job, cards: Sequence[ModelCard], queued_at: float) -> Result:
        """Run a job with its model and its helpers.

        Raises LoadError, CancelledError, CapacityError.
        """
        job.token.check()
        with self._using([card.id for card in cards]), self.device.job(job):
            loaded = [self.load(card) for card in cards]
            started = time.monotonic()
            queued = [
                LoadedNetwork(
                    model, QueuedBackend(self.device, backend, job, job.priority, job.token.check)
                )
                for model, backend in loaded
            ]
            result = run_job(job, queued, self._caches)
        name = loaded[0].backend.name
        return replace(
            result, engine=name, queue_s=started - queued_at, compute_s=time.monotonic() - started
        )

    def load(self, card: ModelCard) -> LoadedNetwork:
        """Return a model in memory; the least recently used models that no job needs make room for
        it. Raises LoadError.
        """
        with self._lock:
            if found := self._loaded.pop(card.id, None):
                self._loaded[card.id] = found
                return found
        with self._loading:
            if card.id not in self._loaded:
                model, config = load_model(card), self._config
                self._make_room(model.size_bytes)
                backend = load_backend(
                    model, self.name, config.precision, self._graph_folder(), config.threads
                )
                with self._lock:
                    self._loaded[card.id] = LoadedNetwork(model, backend)
            return self._loaded[card.id]

    def _graph_folder(self) -> Path | None:
        """Return the folder for compiled networks; None where files cannot be written."""
        folder = usable_folder(self._config.cache_folder)
        return folder / "graphs" if folder else None

    def unload(self, model_id: str) -> bool:
        """Release a model's memory; False where it was not loaded. No job may be using it."""
        with self._lock:
            loaded = self._loaded.pop(model_id, None)
            if loaded is None:
                return False
            self._caches.clear()
        loaded.backend.close()
        self.device.forget(loaded.backend)
        del loaded
        gc.collect()
        return True

    def loaded(self) -> dict[str, str]:
        """Return model id -> name of the engine that runs it, for the models in memory."""
        with self._lock:
            return {name: loaded.backend.name for name, loaded in self._loaded.items()}

    def threads(self) -> int:
        """Return the CPU threads of the loaded networks; 0 before there are any."""
        with self._lock:
            return next((loaded.backend.threads for loaded in self._loaded.values()), 0)

    def close(self, grace_s: float) -> None:
        """Let the running call end, then release the device."""
        self.device.close(grace_s)
        with self._lock:
            loaded = list(self._loaded.values())
            self._loaded.clear()
        for network in loaded:
            network.backend.close()

    @contextmanager
    def _using(self, models: list[str]) -> Iterator[None]:
        """Keep models from being unloaded."""
        with self._lock:
            self._users.update(models)
        try:
            yield
        finally:
            with self._lock:
                self._users.subtract(models)

    def _make_room(self, size_bytes: int) -> None:
        limit = self._config.models_bytes
        while limit and (name := self._oldest_idle()) and self._held_bytes() + size_bytes > limit:
            self.unload(name)

    def _held_bytes(self) -> int:
        with self._lock:
            return sum(loaded.model.size_bytes for loaded in self._loaded.values())

    def _oldest_idle(self) -> str | None:
        with self._lock:
            return next((name for name in self._loaded if not self._users[name]), None)
