# SPDX-License-Identifier: Apache-2.0
"""The engine of a cluster: the networks run as a Ray Serve deployment (extra ``cluster``).

The number of replicas follows the load; each holds a local engine, in which batches form. No job is
lost with a replica: a job is deterministic, so it runs again on another one. Ray's own ports have
neither TLS nor tokens: only the server's machines may reach the cluster's network.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from texgen import errors
from texgen.errors import CancelledError, CapacityError, InvalidRequestError, LoadError, TexgenError
from texgen.modelcard import ModelCard
from texgen_server.config import ServerConfig
from texgen_server.engine.jobs import Job, Result
from texgen_server.engine.model_catalog import ModelCatalog
from texgen_server.engine.protocol import DeviceInfo, jobs_at_a_time
from texgen_server.engine.replica import Replica, Update, portable_job

APPLICATION = "texgen"
USAGE_VARIABLE = "RAY_USAGE_STATS_ENABLED"
ATTEMPTS = 5
"""Most attempts at a job whose replicas are lost."""
RETRY_S = 0.2
"""Seconds before the second attempt; doubled with each further one."""
POLL_S = 0.05


class RayEngine:
    """An `Engine` on a Ray cluster.

    Raises LoadError when Ray is missing or the cluster does not answer.
    """

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._catalog = ModelCatalog(config.models)
        self._handle = _deployed(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="texgen-cluster", daemon=True
        )
        self._thread.start()
        self._lock = threading.Lock()
        self._jobs: dict[int, tuple[Job, float]] = {}
        self._started: set[int] = set()
        self._batches: Counter[int] = Counter()
        self._closing = False
        self._name, _ = self._wait(self._handle.state.remote())
        self._loaded: set[str] = set()

    def cards(self) -> list[ModelCard]:
        return self._catalog.all()

    def card(self, model_id: str, kind: str | None = "material") -> ModelCard:
        return self._catalog.of_kind(model_id, kind)

    def submit(self, model_id: str, job: Job) -> Future[Result]:
        card = self._catalog.find(model_id)
        with self._lock:
            if self._closing:
                raise CapacityError("the server is shutting down: ask another one, or again later")
            if len(self._jobs) - len(self._started) >= self._config.max_queue:
                raise CapacityError(
                    f"the queue is full ({self._config.max_queue} requests wait): try again in "
                    f"a moment"
                )
            self._jobs[id(job)] = (job, time.monotonic())
        future = asyncio.run_coroutine_threadsafe(self._run_with_retries(card.id, job), self._loop)
        future.add_done_callback(lambda _: self._forget(job))
        return future

    def position(self, job: Job) -> int:
        with self._lock:
            if id(job) in self._started or id(job) not in self._jobs:
                return 0
            return 1 + [key for key in self._jobs if key not in self._started].index(id(job))

    def queue_depth(self) -> int:
        with self._lock:
            return len(self._jobs) - len(self._started)

    def batches(self) -> dict[int, int]:
        with self._lock:
            return dict(self._batches)

    def load(self, model_id: str) -> Future[None]:
        card = self._catalog.find(model_id)

        async def load() -> None:
            await self._handle.load.remote(card.id)
            with self._lock:
                self._loaded.add(card.id)

        return asyncio.run_coroutine_threadsafe(load(), self._loop)

    def unload(self, model_id: str) -> Future[bool]:
        raise InvalidRequestError(
            "the replicas of a cluster look after their memory themselves: set models_bytes",
            "model",
        )

    def loaded(self) -> list[str]:
        with self._lock:
            return sorted(self._loaded)

    def devices(self) -> list[DeviceInfo]:
        import ray

        alive = [node for node in ray.nodes() if node["Alive"]]
        return [DeviceInfo(f"ray:{node['NodeID'][:8]}", self._name, 0) for node in alive]

    def name(self) -> str:
        return str(self._name)

    def warm(self, model_id: str = "") -> None:
        """Load a model on a replica. Raises LoadError."""
        self.load(model_id or "material").result()

    def close(self, grace_s: float) -> None:
        from ray import serve

        end = time.monotonic() + grace_s
        with self._lock:
            self._closing = True
        while self._jobs and time.monotonic() < end:
            time.sleep(POLL_S)
        with self._lock:
            unfinished = [job for job, _ in self._jobs.values()]
        for job in unfinished:
            job.token.cancel()
        while unfinished and self._jobs and time.monotonic() < end + 2.0:
            time.sleep(POLL_S)
        serve.delete(APPLICATION)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        self._loop.close()

    def _wait(self, response: Any) -> Any:
        async def get() -> Any:
            return await response

        return asyncio.run_coroutine_threadsafe(get(), self._loop).result()

    def _forget(self, job: Job) -> None:
        with self._lock:
            self._jobs.pop(id(job), None)
            self._started.discard(id(job))

    async def _run_with_retries(self, model_id: str, job: Job) -> Result:
        """Run a job, on another replica where one is lost."""
        from ray.exceptions import RayActorError, RayTaskError, TaskCancelledError
        from ray.serve.exceptions import RayServeException

        for attempt in range(ATTEMPTS):
            job.token.check()
            try:
                return await self._attempt(model_id, job)
            except RayTaskError:
                raise  # an error in this program: reported with a request id
            except TaskCancelledError as error:
                raise CancelledError("the request was cancelled") from error
            except (RayActorError, RayServeException):
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(RETRY_S * 2**attempt)
        raise AssertionError

    async def _attempt(self, model_id: str, job: Job) -> Result:
        sent, left_s = portable_job(job)
        response = self._handle.options(stream=True).run.remote(model_id, sent, left_s)
        stream = aiter(response)
        upcoming = asyncio.ensure_future(anext(stream))
        try:
            while True:
                await asyncio.wait([upcoming], timeout=POLL_S)
                job.token.check()
                if upcoming.done():
                    if (result := self._receive(job, upcoming.result())) is not None:
                        return replace(result, queue_s=self._waited(job) - result.compute_s)
                    upcoming = asyncio.ensure_future(anext(stream))
        finally:
            upcoming.cancel()
            response.cancel()

    def _receive(self, job: Job, update: Update) -> Result | None:
        """Pass on a replica's update; return the result at the end. Raises what it raised."""
        what, about = update
        with self._lock:
            self._started.add(id(job))
            if what == "batches":
                self._batches.update(about)
                return None
        if what == "progress":
            job.on_progress(*about)
        elif what == "preview":
            job.on_preview(*about)
        elif what == "error":
            raise _error(*about)
        else:
            return about  # type: ignore[no-any-return]
        return None

    def _waited(self, job: Job) -> float:
        with self._lock:
            return time.monotonic() - self._jobs[id(job)][1]


def _error(kind: str, message: str, field: str) -> TexgenError:
    found: type[TexgenError] = getattr(errors, kind, TexgenError)
    return InvalidRequestError(message, field) if found is InvalidRequestError else found(message)


@contextlib.contextmanager
def _without_usage_statistics() -> Iterator[None]:
    """Start Ray without its usage statistics, unless the variable is set already.

    The variable is removed again: the process may belong to another program.
    """
    if USAGE_VARIABLE in os.environ:
        yield
        return
    os.environ[USAGE_VARIABLE] = "0"
    try:
        yield
    finally:
        os.environ.pop(USAGE_VARIABLE, None)


def _deployed(config: ServerConfig) -> Any:
    """Make or update the deployment and return a handle to it. Raises LoadError."""
    try:
        import ray
        from ray import serve
    except ImportError as error:
        raise LoadError(
            "the engine 'ray' takes Ray, which is not installed: pip install 'texgen[cluster]'"
        ) from error
    try:
        with _without_usage_statistics():
            if not ray.is_initialized():
                ray.init(
                    address=config.ray_address or "local",
                    namespace=APPLICATION,
                    include_dashboard=False,
                    log_to_driver=False,
                )
            serve.start(proxy_location="Disabled")
            return serve.run(_application(config, serve), name=APPLICATION, route_prefix=None)
    except (ConnectionError, RuntimeError) as error:
        raise LoadError(
            f"the Ray cluster {config.ray_address or 'on this machine'} cannot be used: {error}"
        ) from error


def _application(config: ServerConfig, serve: Any) -> Any:
    jobs = jobs_at_a_time(config, gpu=config.ray_gpus > 0)
    deployment = serve.deployment(
        name="networks",
        max_ongoing_requests=2 * jobs,
        autoscaling_config={
            "min_replicas": config.ray_min_replicas,
            "max_replicas": config.ray_max_replicas,
            "target_ongoing_requests": jobs,
        },
        ray_actor_options={"num_cpus": config.ray_cpus, "num_gpus": config.ray_gpus},
        graceful_shutdown_timeout_s=config.grace_s,
    )
    secrets = {
        "token": "",
        "tokens_file": None,
        "tls_cert": None,
        "tls_key": None,
        "tls_client_ca": None,
    }
    threads = config.threads or max(1, round(config.ray_cpus))
    return deployment(Replica).bind(replace(config, host="127.0.0.1", threads=threads, **secrets))  # type: ignore[arg-type]
