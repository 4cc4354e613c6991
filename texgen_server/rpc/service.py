# SPDX-License-Identifier: Apache-2.0
"""The servicers. Each method converts its request, calls the rooms below, and streams the events;
every decision is made below.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from texgen._version import __version__
from texgen.errors import TexgenError
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen_server.config import ServerConfig
from texgen_server.engine.protocol import Engine
from texgen_server.rpc import convert
from texgen_server.rpc.interceptors import status_of
from texgen_server.rpc.latest import latest
from texgen_server.rpc.map_stream import Event, whole_event
from texgen_server.rpc.requests import environment, maps, material, photo
from texgen_server.rpc.texture_call import TextureCalls

DEFAULT_MODEL = "material"
Context = grpc.aio.ServicerContext[Any, Any]
StatisticsOf = Callable[[list[str], str], pb.GetModelStatisticsResponse]
"""Takes the ids of the models in memory and one model's id; the empty id: all models."""


class TextureService(pb_grpc.TextureServiceServicer):
    """Makes textures."""

    def __init__(self, calls: TextureCalls) -> None:
        self._calls = calls

    async def GenerateMaterial(  # noqa: N802
        self, request: pb.GenerateMaterialRequest, context: Context
    ) -> AsyncIterator[Event]:
        call = self._calls.begin(context)
        card = call.card(request.model)
        request, choice = await call.resolve_prompt(request, card)
        orders = material.generate_orders(request, card, call.host)
        async for event in call.results(card, orders, choice):
            yield event

    async def VaryMaterial(  # noqa: N802
        self, request: pb.VaryMaterialRequest, context: Context
    ) -> AsyncIterator[Event]:
        call = self._calls.begin(context)
        card = call.card(request.model)
        orders = material.vary_orders(request, card, call.host)
        async for event in call.results(card, orders):
            yield event

    async def MixMaterials(  # noqa: N802
        self, request: pb.MixMaterialsRequest, context: Context
    ) -> AsyncIterator[Event]:
        call = self._calls.begin(context)
        card = call.card(request.model)
        orders = material.mix_orders(request, card, call.host)
        async for event in call.results(card, orders):
            yield event

    async def CaptureMaterial(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.CaptureMaterialRequest], context: Context
    ) -> AsyncIterator[Event]:
        call = self._calls.begin(context)
        options, data = await photo.receive_photo(request_iterator)
        card = call.card(options.model)
        order = photo.capture_order(options, data, card, call.host)
        async for event in call.results(card, [order]):
            yield event

    async def UpscaleMaterial(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.UpscaleMaterialRequest], context: Context
    ) -> AsyncIterator[Event]:
        call = self._calls.begin(context)
        options, packed = await maps.receive_upscale(request_iterator, call.host)
        card = call.card(options.model, "upscaler")
        order = await call.in_pool(maps.upscale_order, options, packed, call.host)
        async for event in call.results(card, [order]):
            yield event

    async def RepairMaterial(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.RepairMaterialRequest], context: Context
    ) -> AsyncIterator[Event]:
        call = self._calls.begin(context)
        options, packed = await maps.receive_repair(request_iterator, call.host)
        card = call.card(*maps.repair_model(options))
        order = await call.in_pool(maps.repair_order, options, packed, card, call.host)
        async for event in call.results(card, [order]):
            yield event

    async def GenerateEnvironment(  # noqa: N802
        self, request: pb.GenerateEnvironmentRequest, context: Context
    ) -> AsyncIterator[Event]:
        call = self._calls.begin(context)
        card = call.card(request.model, "environment")
        orders = environment.environment_orders(request, card, call.host)
        async for event in call.results(card, orders):
            yield event

    async def Explore(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.ExploreRequest], context: Context
    ) -> AsyncIterator[pb.ExploreEvent]:
        call = self._calls.begin(context)
        async for request in latest(request_iterator):
            try:
                card, wanted = call.card(request.material.model), request.material
                orders = material.generate_orders(wanted, card, call.host, exploring=True)
                async for event in call.results(card, orders):
                    yield pb.ExploreEvent(sequence=request.sequence, event=whole_event(event))
            except TexgenError as error:
                yield convert.explore_error(request.sequence, status_of(error, ""))


class ModelService(pb_grpc.ModelServiceServicer):
    """Lists, loads and unloads models."""

    def __init__(self, engine: Engine, statistics: StatisticsOf) -> None:
        self._engine, self._statistics = engine, statistics

    async def ListModels(  # noqa: N802
        self, request: pb.ListModelsRequest, context: Context
    ) -> pb.ListModelsResponse:
        models = [convert.model_message(card) for card in self._engine.cards()]
        return pb.ListModelsResponse(models=models)

    async def GetModel(  # noqa: N802
        self,
        request: pb.GetModelRequest,
        context: Context,
    ) -> pb.GetModelResponse:
        card = self._engine.card(request.model, kind=None)
        return pb.GetModelResponse(model=convert.model_message(card))

    async def LoadModel(  # noqa: N802
        self, request: pb.LoadModelRequest, context: Context
    ) -> pb.LoadModelResponse:
        started = time.monotonic()
        await asyncio.wrap_future(self._engine.load(request.model or DEFAULT_MODEL))
        return pb.LoadModelResponse(load_s=time.monotonic() - started)

    async def UnloadModel(  # noqa: N802
        self, request: pb.UnloadModelRequest, context: Context
    ) -> pb.UnloadModelResponse:
        unloaded = self._engine.unload(request.model or DEFAULT_MODEL)
        return pb.UnloadModelResponse(was_loaded=await asyncio.wrap_future(unloaded))

    async def GetModelStatistics(  # noqa: N802
        self, request: pb.GetModelStatisticsRequest, context: Context
    ) -> pb.GetModelStatisticsResponse:
        model_id = self._engine.card(request.model, kind=None).id if request.model else ""
        return self._statistics(self._engine.loaded(), model_id)


class ServerService(pb_grpc.ServerServiceServicer):
    """Describes the server itself."""

    def __init__(self, engine: Engine, config: ServerConfig) -> None:
        self._engine, self._config = engine, config

    async def GetServerInfo(  # noqa: N802
        self, request: pb.GetServerInfoRequest, context: Context
    ) -> pb.GetServerInfoResponse:
        return convert.info_message(__version__, self._engine, self._config)
