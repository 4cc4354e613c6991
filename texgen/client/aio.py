# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio: `Client` with ``await``. Cancelling a task that awaits a result cancels
the server's work on it.

async with AsyncClient("127.0.0.1:50051") as client:
materials = await asyncio.gather(*(client.generate("bark", seed=s) for s in range(16)))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Unpack

import grpc.aio

from texgen.client.connection import DEFAULT_DEADLINE_S, Access, new_assembler, translated
from texgen.maps import Environment, MapKind, Material, Pixels
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen.wire import requests
from texgen.wire.assembly import Assembler
from texgen.wire.chunks import texture_methods
from texgen.wire.request_fields import CallOptions


class AsyncClient:
    """A connection to a texgen server; arguments, methods and errors as those of
    `texgen.client.Client`. Use it in one event loop.
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
        self._access = Access(address, token, tls_ca, tls_pair, retry=retry)
        self._deadline_s = deadline_s
        credentials, options = self._access.credentials(), self._access.options()
        self._channel = (
            grpc.aio.secure_channel(address, credentials, options)
            if credentials
            else grpc.aio.insecure_channel(address, options)
        )
        self._textures = texture_methods(self._channel)
        self._models = pb_grpc.ModelServiceStub(self._channel)
        self._server = pb_grpc.ServerServiceStub(self._channel)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls in flight end with CancelledError."""
        await self._channel.close()

    async def generate(
        self, classes: requests.Classes = "", **options: Unpack[requests.MaterialWishes]
    ) -> Material:
        """One material."""
        return (await self._ask(requests.generate(classes, options), options)).result()

    async def vary(
        self, recipe: str, amount: float, **options: Unpack[requests.VaryWishes]
    ) -> list[Material]:
        """``count`` variations of a recipe."""
        return (await self._ask(requests.vary(recipe, amount, options), options)).materials()

    async def mix(
        self,
        parts: Mapping[str, float] | Iterable[tuple[str, float]],
        mode: str = "blend",
        **options: Unpack[requests.MixWishes],
    ) -> list[Material]:
        """A mixture of recipes; a transition gives one a step."""
        return (await self._ask(requests.mix(parts, mode, options), options)).materials()

    async def capture(self, photo: bytes, **options: Unpack[requests.CaptureWishes]) -> Material:
        """A material that looks like a photograph."""
        return (await self._ask(requests.capture(photo, options), options)).result()

    async def upscale(
        self,
        maps: Mapping[MapKind, Pixels],
        scale: int = 4,
        **options: Unpack[requests.UpscaleWishes],
    ) -> Material:
        """Maps of one size, enlarged together."""
        return (await self._ask(requests.upscale(maps, scale, options), options)).result()

    async def repair(
        self, maps: Mapping[MapKind, Pixels], **options: Unpack[requests.RepairWishes]
    ) -> Material:
        """Maps of one size, made tileable, filled, cleaned."""
        return (await self._ask(requests.repair(maps, options), options)).result()

    async def generate_environment(
        self, classes: requests.Classes = "", **options: Unpack[requests.EnvironmentWishes]
    ) -> Environment:
        """One environment."""
        return (
            await self._ask(requests.generate_environment(classes, options), options)
        ).environments()[0]

    async def list_models(self) -> list[pb.Model]:
        """The models that the server can run."""
        return list((await self._call(self._models.ListModels, pb.ListModelsRequest())).models)

    async def get_model(self, model: str = "") -> pb.Model:
        """One model with its classes and controls; the empty id is the default material model."""
        result: pb.Model = (
            await self._call(self._models.GetModel, pb.GetModelRequest(model=model))
        ).model
        return result

    async def load_model(self, model: str = "") -> float:
        """Load a model before its first request. Returns the seconds it took."""
        return float(
            (await self._call(self._models.LoadModel, pb.LoadModelRequest(model=model))).load_s
        )

    async def unload_model(self, model: str = "") -> bool:
        """Release a model's memory; whether it was loaded."""
        return bool(
            (
                await self._call(self._models.UnloadModel, pb.UnloadModelRequest(model=model))
            ).was_loaded
        )

    async def model_statistics(self, model: str = "") -> list[pb.ModelStatistics]:
        """What a model, or each one, has done since the server started."""
        return list(
            (
                await self._call(
                    self._models.GetModelStatistics, pb.GetModelStatisticsRequest(model=model)
                )
            ).models
        )

    async def server_info(self) -> pb.GetServerInfoResponse:
        """Version, devices, limits, queue depth."""
        info: pb.GetServerInfoResponse = await self._call(
            self._server.GetServerInfo, pb.GetServerInfoRequest()
        )
        return info

    async def _ask(self, ask: requests.Ask, options: CallOptions) -> Assembler:
        assembler, started = new_assembler(options), False
        call = self._textures[ask.method](
            ask.request, timeout=self._deadline_s, metadata=self._access.metadata
        )
        try:
            async for event in call:
                started = True
                assembler.feed(event)
        except grpc.RpcError as error:
            raise translated(error, self._access.address, started=started) from error
        finally:
            # a no-op once the stream has ended; otherwise the server stops working on it
            call.cancel()
        return assembler

    async def _call(self, method: Any, request: Any) -> Any:
        try:
            return await method(
                request, timeout=min(30.0, self._deadline_s), metadata=self._access.metadata
            )
        except grpc.RpcError as error:
            raise translated(error, self._access.address, started=False) from error
