# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio.

Importing it needs grpcio, never torch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import grpc.aio
from google.protobuf.message import Message

from texgen.client.aio_maps import AsyncMapCalls
from texgen.client.aio_materials import AsyncMaterialCalls
from texgen.client.connection import (
    CLOSED,
    DEFAULT_DEADLINE_S,
    Endpoint,
    new_assembler,
    translate_error,
)
from texgen.errors import CancelledError, ConnectionFailedError
from texgen.maps import MapKind
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen.wire.assembly import Assembler, Progress
from texgen.wire.chunks import texture_methods
from texgen.wire.request_fields import text_field
from texgen.wire.requests import TextureCall

_Answer = TypeVar("_Answer")


@dataclass
class _CallState:
    """The state of a call that decides how its error is reported."""

    started: bool = False
    """True after the first event."""


class AsyncClient(AsyncMaterialCalls, AsyncMapCalls):
    """A connection to a texgen server for asyncio: the methods of `texgen.Client` with ``await``.

    Use it in one event loop, as a context manager, or call `close`. Cancelling a task that awaits
    a result cancels the server's work on it. All methods raise the errors of `texgen.errors`.

    Example:
        ```python
        async with AsyncClient("127.0.0.1:50051") as client:
            calls = (client.generate("bark", seed=seed) for seed in range(16))
            materials = await asyncio.gather(*calls)
        ```
    """

    def __init__(
        self,
        address: str,
        token: str = "",
        tls_ca: Path | None = None,
        deadline_s: float = DEFAULT_DEADLINE_S,
        tls_pair: tuple[Path, Path] | None = None,
        *,
        retry: bool = True,
    ) -> None:
        """Open a channel; the first call connects.

        Args:
            address: HOST:PORT of the server.
            token: The server's token, if it has one.
            tls_ca: PEM file of certificates to trust, for a TLS connection.
            deadline_s: Seconds that a call may take.
            tls_pair: PEM files of a certificate and its key, for a server that asks clients for
                one.
            retry: Repeats a call that a full server refused, up to four times with growing pauses.

        Raises:
            InvalidRequestError: An argument has the wrong type, or a file cannot be read.
        """
        self._endpoint = Endpoint(address, token, tls_ca, deadline_s, tls_pair, retry=retry)
        credentials, options = self._endpoint.credentials(), self._endpoint.channel_options()
        self._channel = (
            grpc.aio.secure_channel(address, credentials, options)
            if credentials
            else grpc.aio.insecure_channel(address, options)
        )
        self._closed = False
        self._textures = texture_methods(self._channel)
        self._models = pb_grpc.ModelServiceStub(self._channel)
        self._server = pb_grpc.ServerServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls in flight end with CancelledError."""
        self._closed = True
        await self._channel.close()

    async def stream(
        self,
        call: TextureCall,
        on_progress: Callable[[Progress], None] | None = None,
        on_preview: Callable[[MapKind, bytes], None] | None = None,
    ) -> Assembler:
        """Run a call of `texgen.wire.requests` and assemble its events.

        The other methods are built on it; use it for a request that you changed or built yourself.

        Args:
            call: The method of TextureService and its request.
            on_progress: Called with each progress of the work.
            on_preview: Called with the kind and the PNG file of each small early picture.

        Returns:
            The assembler, with all events of the call.

        Raises:
            TexgenError: The call failed; `texgen.errors` lists the kinds.
        """
        assembler = new_assembler(on_progress, on_preview)
        endpoint = self._endpoint
        with self._translated_errors() as state:
            events = self._textures[call.method](
                call.request, timeout=endpoint.deadline_s, metadata=endpoint.metadata
            )
            try:
                async for event in events:
                    state.started = True
                    assembler.feed(event)
            finally:
                # no effect once the stream has ended; otherwise the server stops working on it
                events.cancel()
        return assembler

    async def list_models(self) -> list[pb.Model]:
        """Return the models that the server can run."""
        return list((await self._call(self._models.ListModels, pb.ListModelsRequest())).models)

    async def get_model(self, model: str = "") -> pb.Model:
        """Return one model with its classes and controls.

        Args:
            model: Model id; empty: the server's default material model.

        Raises:
            NotFoundError: The server has no such model.
        """
        request = pb.GetModelRequest(model=text_field(model, "model"))
        answer: pb.GetModelResponse = await self._call(self._models.GetModel, request)
        return answer.model

    async def load_model(self, model: str = "") -> float:
        """Load a model before its first request and return the seconds that this took.

        Args:
            model: Model id; empty: the server's default material model.

        Raises:
            NotFoundError: The server has no such model.
            LoadError: Its files are missing or damaged.
        """
        request = pb.LoadModelRequest(model=text_field(model, "model"))
        return float((await self._call(self._models.LoadModel, request)).load_s)

    async def unload_model(self, model: str = "") -> bool:
        """Release the memory of a model and return whether it was loaded.

        Args:
            model: Model id; empty: the server's default material model.

        Raises:
            NotFoundError: The server has no such model.
        """
        request = pb.UnloadModelRequest(model=text_field(model, "model"))
        return bool((await self._call(self._models.UnloadModel, request)).was_loaded)

    async def model_statistics(self, model: str = "") -> list[pb.ModelStatistics]:
        """Return results, cache hits, failures and durations since the server started.

        Args:
            model: Model id; empty: all models.

        Raises:
            NotFoundError: The server has no such model.
        """
        request = pb.GetModelStatisticsRequest(model=text_field(model, "model"))
        return list((await self._call(self._models.GetModelStatistics, request)).models)

    async def server_info(self) -> pb.GetServerInfoResponse:
        """Return version, devices, limits and queue depth of the server."""
        request = pb.GetServerInfoRequest()
        info: pb.GetServerInfoResponse = await self._call(self._server.GetServerInfo, request)
        return info

    async def _call(self, method: Callable[..., Awaitable[_Answer]], request: Message) -> _Answer:
        """Run a call with one answer."""
        endpoint = self._endpoint
        with self._translated_errors():
            return await method(
                request, timeout=endpoint.short_deadline_s, metadata=endpoint.metadata
            )

    @contextmanager
    def _translated_errors(self) -> Iterator[_CallState]:
        """Convert the errors of a call to those of `texgen.errors`."""
        state = _CallState()
        try:
            yield state
        except grpc.RpcError as error:
            raise translate_error(error, self._endpoint.address, started=state.started) from error
        except grpc.aio.UsageError as error:  # gRPC's answer on a closed channel
            raise ConnectionFailedError(CLOSED) from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if self._closed and not (task and task.cancelling()):
                raise CancelledError("the client was closed during the call") from error
            raise
