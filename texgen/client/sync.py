# SPDX-License-Identifier: Apache-2.0
"""The synchronous client.

Importing it needs grpcio, never torch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Self

from texgen.client.connection import DEFAULT_DEADLINE_S, Connection, Endpoint
from texgen.client.explore import Explorer
from texgen.client.sync_maps import MapCalls
from texgen.client.sync_materials import MaterialCalls
from texgen.maps import MapKind
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen.wire.assembly import Assembler, Progress
from texgen.wire.request_fields import text_field
from texgen.wire.requests import TextureCall


class Client(MaterialCalls, MapCalls):
    """A connection to a texgen server.

    Use it as a context manager, or call `close`. It may be used from several threads. All methods
    raise the errors of `texgen.errors`.

    Example:
        ```python
        with Client("127.0.0.1:50051") as client:
            material = client.generate("bark", seed=7, size_px=(1024, 1024))
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
        endpoint = Endpoint(address, token, tls_ca, deadline_s, tls_pair, retry=retry)
        self._connection = Connection(endpoint)
        self._models = pb_grpc.ModelServiceStub(self._connection.channel)
        self._server = pb_grpc.ServerServiceStub(self._connection.channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls in flight end with CancelledError."""
        self._connection.close()

    def stream(
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
        return self._connection.stream(call, on_progress, on_preview)

    def explore(self) -> Explorer:
        """Follow sliders: the server answers only the latest position.

        Returns:
            The exploration, a context manager; see `texgen.client.explore.Explorer`.

        Raises:
            TexgenError: The call failed; `texgen.errors` lists the kinds.

        Example:
            ```python
            with client.explore() as sliders:
                sliders.send("bark", seed=7, controls={"moss": 0.4})
            ```
        """
        return Explorer(self._connection)

    def list_models(self) -> list[pb.Model]:
        """Return the models that the server can run."""
        return list(self._connection.call(self._models.ListModels, pb.ListModelsRequest()).models)

    def get_model(self, model: str = "") -> pb.Model:
        """Return one model with its classes and controls.

        Args:
            model: Model id; empty: the server's default material model.

        Raises:
            NotFoundError: The server has no such model.
        """
        request = pb.GetModelRequest(model=text_field(model, "model"))
        answer: pb.GetModelResponse = self._connection.call(self._models.GetModel, request)
        return answer.model

    def load_model(self, model: str = "") -> float:
        """Load a model before its first request and return the seconds that this took.

        Args:
            model: Model id; empty: the server's default material model.

        Raises:
            NotFoundError: The server has no such model.
            LoadError: Its files are missing or damaged.
        """
        request = pb.LoadModelRequest(model=text_field(model, "model"))
        return float(self._connection.call(self._models.LoadModel, request).load_s)

    def unload_model(self, model: str = "") -> bool:
        """Release the memory of a model and return whether it was loaded.

        Args:
            model: Model id; empty: the server's default material model.

        Raises:
            NotFoundError: The server has no such model.
        """
        request = pb.UnloadModelRequest(model=text_field(model, "model"))
        return bool(self._connection.call(self._models.UnloadModel, request).was_loaded)

    def model_statistics(self, model: str = "") -> list[pb.ModelStatistics]:
        """Return results, cache hits, failures and durations since the server started.

        Args:
            model: Model id; empty: all models.

        Raises:
            NotFoundError: The server has no such model.
        """
        request = pb.GetModelStatisticsRequest(model=text_field(model, "model"))
        return list(self._connection.call(self._models.GetModelStatistics, request).models)

    def server_info(self) -> pb.GetServerInfoResponse:
        """Return version, devices, limits and queue depth of the server."""
        request = pb.GetServerInfoRequest()
        info: pb.GetServerInfoResponse = self._connection.call(self._server.GetServerInfo, request)
        return info
