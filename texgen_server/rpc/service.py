# SPDX-License-Identifier: Apache-2.0
"""The servicers: thin. They convert, submit, and stream; every decision is made below."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Any, cast

import grpc

from texgen._version import __version__
from texgen.errors import TexgenError
from texgen.maps import MapKind
from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen.wire.chunks import ReadyEvent
from texgen_server.cache import CachedResult, open_cache
from texgen_server.cache_folder import usable_folder
from texgen_server.config import ServerConfig
from texgen_server.engine.base import Engine, MaterialJob, Result
from texgen_server.observability.call_record import CALL, ResultRecord
from texgen_server.observability.model_statistics import Statistics
from texgen_server.rpc import convert
from texgen_server.rpc.admission import Admission
from texgen_server.rpc.interceptors import status_of
from texgen_server.rpc.latest import latest
from texgen_server.rpc.map_encoding import HUGE_BYTES, packed
from texgen_server.rpc.map_stream import Event, MapSender
from texgen_server.rpc.progress import JobObserver, watch
from texgen_server.rpc.requests import maps, material
from texgen_server.rpc.requests.photo import capture_order, receive_photo
from texgen_server.rpc.requests.prompt import resolve_prompt
from texgen_server.rpc.result_cache_key import cached_events, header_of, result_key

AHEAD = 2
"""Results of one call that may be queued or running at a time."""
DEFAULT_MODEL = "material"
Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True)
class Wanted:
    """A result of a call."""

    order: material.Order
    key: str
    """What names it in the cache; empty: nothing does."""
    engine: str
    """The arithmetic that the key names."""


class TextureService(pb_grpc.TextureServiceServicer):
    """Textures."""

    def __init__(
        self, engine: Engine, config: ServerConfig, pool: Executor, statistics: Statistics
    ) -> None:
        self._engine, self._config, self._pool, self._statistics = engine, config, pool, statistics
        self._admission = Admission(config)
        folder = usable_folder(config.cache_folder) if config.cache_bytes else None
        self.cache = open_cache(folder / "results", config.cache_bytes) if folder else None

    def in_flight(self) -> int:
        """Calls that hold something."""
        return self._admission.in_flight()

    async def GenerateMaterial(  # noqa: N802
        self, request: pb.GenerateMaterialRequest, context: Context
    ) -> AsyncIterator[Event]:
        card = self._engine.card(request.model)
        choice = None
        if request.prompt:
            request, choice = await asyncio.get_running_loop().run_in_executor(
                self._pool, resolve_prompt, request, card
            )
        async for event in self._run(
            context, card, material.generate_orders(request, card, self._host()), choice
        ):
            yield event

    async def VaryMaterial(  # noqa: N802
        self, request: pb.VaryMaterialRequest, context: Context
    ) -> AsyncIterator[Event]:
        card = self._engine.card(request.model)
        async for event in self._run(
            context, card, material.vary_orders(request, card, self._host())
        ):
            yield event

    async def MixMaterials(  # noqa: N802
        self, request: pb.MixMaterialsRequest, context: Context
    ) -> AsyncIterator[Event]:
        card = self._engine.card(request.model)
        async for event in self._run(
            context, card, material.mix_orders(request, card, self._host())
        ):
            yield event

    async def CaptureMaterial(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.CaptureMaterialRequest], context: Context
    ) -> AsyncIterator[Event]:
        options, photo = await receive_photo(request_iterator)
        card = self._engine.card(options.model)
        async for event in self._run(
            context, card, [capture_order(options, photo, card, self._config.max_pixels)]
        ):
            yield event

    async def UpscaleMaterial(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.UpscaleMaterialRequest], context: Context
    ) -> AsyncIterator[Event]:
        options, packed = await maps.receive_maps(
            request_iterator, lambda o: maps.check_upscale(o, self._config.max_pixels)
        )
        card = self._engine.card(options.model, "upscaler")
        order = await asyncio.get_running_loop().run_in_executor(
            self._pool, maps.upscale_order, options, packed
        )
        async for event in self._run(context, card, [order]):
            yield event

    async def RepairMaterial(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.RepairMaterialRequest], context: Context
    ) -> AsyncIterator[Event]:
        options, packed = await maps.receive_maps(
            request_iterator, lambda o: maps.check_repair(o, self._config.max_pixels)
        )
        card = (
            self._engine.card(options.model, "estimator")
            if options.fill
            else self._engine.card("", "upscaler")
        )
        upscaler = self._engine.card("", "upscaler") if options.clean else None
        order = await asyncio.get_running_loop().run_in_executor(
            self._pool, maps.repair_order, options, packed, card, upscaler
        )
        async for event in self._run(context, card, [order]):
            yield event

    async def GenerateEnvironment(  # noqa: N802
        self, request: pb.GenerateEnvironmentRequest, context: Context
    ) -> AsyncIterator[Event]:
        card = self._engine.card(request.model, "environment")
        async for event in self._run(
            context, card, material.environment_orders(request, card, self._host())
        ):
            yield event

    async def Explore(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.ExploreRequest], context: Context
    ) -> AsyncIterator[pb.ExploreEvent]:
        async for request in latest(request_iterator):
            try:
                card = self._engine.card(request.material.model)
                orders = material.generate_orders(request.material, card, self._host())
                passing = [
                    replace(
                        order,
                        job=replace(cast("MaterialJob", order.job), exploring=True),
                        kept=False,
                    )
                    for order in orders
                ]  # nobody comes back to it
                async for event in self._run(context, card, passing):
                    yield pb.ExploreEvent(sequence=request.sequence, event=_unpacked(event))
            except TexgenError as error:
                status = status_of(error, "")
                yield pb.ExploreEvent(
                    sequence=request.sequence,
                    error=pb.ExploreError(code=status.code, message=status.message),
                )

    def _host(self) -> material.Host:
        return material.Host(self._config.max_pixels, lambda: self._engine.card("", "upscaler"))

    async def _run(
        self,
        context: Context,
        card: ModelCard,
        orders: list[material.Order],
        choice: pb.PromptChoice | None = None,
    ) -> AsyncIterator[Event]:
        """Results in order. One is queued while the one before it is packed and sent, so neither
        engine nor network waits.
        """
        pending: dict[int, Future[Result]] = {}
        call = CALL.get()
        call.model = card.id
        left_s = context.time_remaining()
        for order in orders:
            order.job.token.deadline = time.monotonic() + left_s if left_s is not None else math.inf
        ticket = self._admission.enter(
            call.peer, sum(sorted(order.job.pixels for order in orders)[-AHEAD:])
        )
        known: dict[int, CachedResult] = {}
        earlier = len(call.results)  # of an exploration
        heard = [JobObserver(order.job) for order in orders]
        engine = self._engine.name()
        wanted = [Wanted(order, self._key(order, card, engine), engine) for order in orders]
        try:
            for index, order in enumerate(orders):
                for ahead in sorted(
                    set(range(index, min(index + AHEAD, len(orders)))) - set(pending) - set(known)
                ):
                    await self._begin(ahead, wanted[ahead], card, pending, known)
                yield convert.accepted_event(call.id, order, card, index, len(orders), choice)
                if index in known:
                    cached = known.pop(index)
                    for event in cached_events(cached, MapSender(whole=call.takes_whole_maps)):
                        yield event
                    self._statistics.hit(card.id)
                    call.results.append(
                        ResultRecord(size_bytes=sum(map(len, cached.parts)), cache_hit=True)
                    )
                    continue
                async for told in watch(self._engine, heard[index], pending[index], self._pool):
                    yield told
                result = pending[index].result()
                async for event in self._deliver(wanted[index], card, result):
                    yield event
        except BaseException:  # whatever ended the call: the client left, the work failed
            self._statistics.failed(
                card.id,
                len(set(pending) | set(known))
                - sum(not made.cache_hit for made in call.results[earlier:]),
            )
            raise
        finally:
            for order in orders:
                # the call ended, however it did: work that still runs for it stops at its next step
                order.job.token.cancel()
            ticket.release_after(pending.values())

    async def _begin(
        self,
        index: int,
        wanted: Wanted,
        card: ModelCard,
        pending: dict[int, Future[Result]],
        known: dict[int, CachedResult],
    ) -> None:
        """Take a result from the cache, or queue its job."""
        if cached := await self._cached(wanted.key):
            known[index] = cached
        else:
            pending[index] = self._engine.submit(card.id, wanted.order.job)

    def _key(self, order: material.Order, card: ModelCard, engine: str) -> str:
        """What names the result in the cache; empty where there is none."""
        return result_key(order, card, engine) if self.cache and order.kept else ""

    def _cacheable(self, wanted: Wanted, result: Result) -> bool:
        """Whether it fits, and was made with the arithmetic that its key names: replicas on other
        nodes, or another GPU, may have others.
        """
        return (
            result.engine == wanted.engine
            and sum(p.nbytes for p in result.maps.values()) <= HUGE_BYTES
        )

    async def _cached(self, key: str) -> CachedResult | None:
        if not (self.cache and key):
            return None
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.cache.get, key)

    async def _deliver(
        self, wanted: Wanted, card: ModelCard, result: Result
    ) -> AsyncIterator[Event]:
        """Pack maps in the pool and send them in order."""
        order, started, size_bytes = wanted.order, time.monotonic(), 0
        key = wanted.key if self._cacheable(wanted, result) else ""
        seams: dict[MapKind, float] = {}
        told: list[pb.TextureEvent] = []
        data: list[bytes | memoryview] = []
        sender = MapSender(whole=CALL.get().takes_whole_maps)
        waited = 0.0
        async for encoded in packed(
            self._pool, result.maps, order.delivery, convert.recipe_of(order, card, result)
        ):
            seams[encoded.packed.kind] = encoded.seam_percentile
            size_bytes += len(encoded.packed.data)
            waited = time.monotonic() - started
            header, end = convert.frame_of(encoded)
            for event in sender.add(header, encoded.packed.data, end):
                yield event
            if key:
                told += [pb.TextureEvent(map_header=header), pb.TextureEvent(map_end=end)]
                data.append(encoded.packed.data)
        for event in sender.rest():
            yield event
        told.append(convert.summary_event(order, card, result, waited, seams))
        yield told[-1]
        self._statistics.delivered(card.id, result.queue_s, result.compute_s, waited)
        CALL.get().results.append(
            ResultRecord(result.queue_s, result.compute_s, waited, size_bytes)
        )
        if self.cache and key:
            self._pool.submit(self.cache.put, key, header_of(told), data)


class ModelService(pb_grpc.ModelServiceServicer):
    """What models there are."""

    def __init__(self, engine: Engine, statistics: Statistics) -> None:
        self._engine, self._statistics = engine, statistics

    async def ListModels(  # noqa: N802
        self, request: pb.ListModelsRequest, context: Context
    ) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(
            models=[convert.model_message(c) for c in self._engine.cards()]
        )

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:  # noqa: N802
        return pb.GetModelResponse(
            model=convert.model_message(self._engine.card(request.model, kind=None))
        )

    async def LoadModel(  # noqa: N802
        self, request: pb.LoadModelRequest, context: Context
    ) -> pb.LoadModelResponse:
        started = time.monotonic()
        await asyncio.wrap_future(self._engine.load(request.model or DEFAULT_MODEL))
        return pb.LoadModelResponse(load_s=time.monotonic() - started)

    async def UnloadModel(  # noqa: N802
        self, request: pb.UnloadModelRequest, context: Context
    ) -> pb.UnloadModelResponse:
        return pb.UnloadModelResponse(
            was_loaded=await asyncio.wrap_future(
                self._engine.unload(request.model or DEFAULT_MODEL)
            )
        )

    async def GetModelStatistics(  # noqa: N802
        self, request: pb.GetModelStatisticsRequest, context: Context
    ) -> pb.GetModelStatisticsResponse:
        loaded = self._engine.loaded()
        names = (
            [self._engine.card(request.model, kind=None).id]
            if request.model
            else sorted({*self._statistics.models(), *loaded})
        )
        figures = [
            convert.statistics_message(name, self._statistics.of(name), loaded=name in loaded)
            for name in names
        ]
        return pb.GetModelStatisticsResponse(models=figures)


class ServerService(pb_grpc.ServerServiceServicer):
    """The server itself."""

    def __init__(self, engine: Engine, config: ServerConfig) -> None:
        self._engine, self._config = engine, config

    async def GetServerInfo(  # noqa: N802
        self, request: pb.GetServerInfoRequest, context: Context
    ) -> pb.GetServerInfoResponse:
        edge = max((c.max_edge_px for c in self._engine.cards() if c.kind == "material"), default=0)
        return convert.info_message(
            __version__, self._engine.devices(), self._config, edge, self._engine.queue_depth()
        )


def _unpacked(event: Event) -> pb.TextureEvent:
    """As a part of another message."""
    return pb.TextureEvent.FromString(event.message) if isinstance(event, ReadyEvent) else event
