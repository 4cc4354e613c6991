# SPDX-License-Identifier: Apache-2.0
"""Builds, starts and drains a server: our services, health and reflection."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from texgen.errors import InvalidRequestError, OutputError, TexgenError
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen_server.config import ServerConfig, check_exposure
from texgen_server.engine import load_engine
from texgen_server.engine.protocol import Engine
from texgen_server.observability.call_record import CallObserver, Logger
from texgen_server.observability.model_statistics import Statistics
from texgen_server.observability.prometheus import Exporter, families
from texgen_server.observability.traces import Tracer
from texgen_server.rpc import convert
from texgen_server.rpc.idle_memory import IdleMemory
from texgen_server.rpc.interceptors import Guard
from texgen_server.rpc.service import ModelService, ServerService, TextureService
from texgen_server.rpc.texture_call import TextureCalls
from texgen_server.tokens import Token, hashed, read_tokens

SERVICES = tuple(
    pb.DESCRIPTOR.services_by_name[n].full_name
    for n in ("TextureService", "ModelService", "ServerService")
)


class RunningServer:
    """A started server. Make it and use it inside one event loop."""

    def __init__(self, config: ServerConfig, engine: Engine) -> None:
        check_exposure(config)
        self.config, self.engine, self.port = config, engine, 0
        self._pool = ThreadPoolExecutor(max(2, min(8, os.cpu_count() or 2)), "texgen-encode")
        options = [
            ("grpc.max_receive_message_length", config.max_message_bytes),
            ("grpc.so_reuseport", 0),
        ]
        self._tracer = Tracer(config.traces_endpoint) if config.traces_endpoint else None
        self._health, statistics = HealthServicer(), Statistics()
        calls = TextureCalls(engine, config, self._pool, statistics)
        observers: list[CallObserver] = [
            Logger(),
            IdleMemory(calls.in_flight, self._pool),
            *([self._tracer] if self._tracer else []),
        ]
        self._server = grpc.aio.server(
            interceptors=[Guard(_tokens(config), observers)], options=options
        )
        pb_grpc.add_TextureServiceServicer_to_server(TextureService(calls), self._server)
        self._collect = lambda: families(statistics, engine, calls.in_flight, calls.cache)
        self.metrics: Exporter | None = None
        models = ModelService(engine, partial(convert.statistics_response, statistics))
        pb_grpc.add_ModelServiceServicer_to_server(models, self._server)
        pb_grpc.add_ServerServiceServicer_to_server(ServerService(engine, config), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (*SERVICES, reflection.SERVICE_NAME, "grpc.health.v1.Health"), self._server
        )

    async def start(self) -> None:
        """Bind and serve. Raises OutputError when the address is taken."""
        address = f"{self.config.host}:{self.config.port}"
        try:
            credentials = _credentials(self.config)
            add = self._server.add_secure_port if credentials else self._server.add_insecure_port
            self.port = add(address, *([credentials] if credentials else []))
        except RuntimeError as error:
            raise OutputError(
                f"cannot listen on {address}: the port is taken, or the address is not this "
                f"machine's; choose another"
            ) from error
        if self.config.metrics_port:
            self.metrics = Exporter(
                self.config.metrics_host, self.config.metrics_port, self._collect
            )
        await self._server.start()
        for name in ("", *SERVICES):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        """Set health to NOT_SERVING, let running calls end within the grace period, release the
        devices.
        """
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self.config.grace_s)
        if self.metrics:
            self.metrics.close()
        if self._tracer:
            self._tracer.close()
        self.engine.close(self.config.grace_s)
        self._pool.shutdown(wait=False, cancel_futures=True)


def _tokens(config: ServerConfig) -> tuple[Token, ...]:
    """Read the tokens of the file, and the single one. Raises InvalidRequestError."""
    own = (Token("token", hashed(config.token)),) if config.token else ()
    return own + (read_tokens(config.tokens_file) if config.tokens_file else ())


def _credentials(config: ServerConfig) -> grpc.ServerCredentials | None:
    """Make the credentials of TLS, with client certificates where a CA for them is given; None: no
    TLS.

    Raises InvalidRequestError.
    """
    if not (config.tls_cert and config.tls_key):
        return None
    pair = (_pem(config.tls_key, "tls_key"), _pem(config.tls_cert, "tls_cert"))
    authority = _pem(config.tls_client_ca, "tls_client_ca") if config.tls_client_ca else None
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=authority is not None)


def _pem(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"cannot read {what} {path}: {error.strerror}", what) from error


def serve_forever(config: ServerConfig, on_ready: Callable[[RunningServer], None]) -> None:
    """Run until SIGINT or SIGTERM; needs a main thread of its own, as it handles signals."""
    asyncio.run(_serve(config, on_ready))


async def _serve(config: ServerConfig, on_ready: Callable[[RunningServer], None]) -> None:
    engine = await asyncio.get_running_loop().run_in_executor(None, load_engine, config)
    try:
        engine.warm()
        server = RunningServer(config, engine)
        await server.start()
    except TexgenError:
        engine.close(0.0)
        raise
    on_ready(server)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM"):
        try:
            loop.add_signal_handler(getattr(signal, name), stopping.set)
        except (
            NotImplementedError
        ):  # Windows: asyncio cannot; Ctrl+C still raises KeyboardInterrupt
            break
    await stopping.wait()
    await server.stop()


class EmbeddedServer:
    """A server in a background thread of this process, on a free loopback port; use as a context
    manager.

    It changes no setting of the process: a program that does nothing else may call
    `process.settings.tune_this_process` first.
    """

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run()), name="texgen-embedded", daemon=True
        )
        self.address = ""

    def __enter__(self) -> EmbeddedServer:
        self._thread.start()
        self._ready.wait()
        if self._error:
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop and self._stop:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(self._config.grace_s + 5.0)

    async def _run(self) -> None:
        try:
            server = RunningServer(self._config, load_engine(self._config))
            await server.start()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits in __enter__
            self._error = error
            self._ready.set()
            return
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.address = f"{self._config.host}:{server.port}"
        self._ready.set()
        await self._stop.wait()
        await server.stop()
