# SPDX-License-Identifier: Apache-2.0
"""The servicers: thin. They convert, submit, and stream; every decision is made below."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from concurrent.futures import Executor, Future
from typing import Any

import grpc

from texgen._version import __version__
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen_server.config import ServerConfig
from texgen_server.engine.base import BATCH, INTERACTIVE, Engine, MaterialJob, MaterialResult
from texgen_server.rpc import convert

POLL_S = 0.02
Context = grpc.aio.ServicerContext[Any, Any]


class TextureService(pb_grpc.TextureServiceServicer):
    """Textures."""

    def __init__(self, engine: Engine, config: ServerConfig, pool: Executor) -> None:
        self._engine, self._config, self._pool = engine, config, pool

    async def GenerateMaterial(self, request: pb.GenerateMaterialRequest, context: Context) -> AsyncIterator[pb.TextureEvent]:  # noqa: N802
        card = self._engine.card(request.model)
        wanted = convert.wanted_from(request, card, self._config.max_pixels)
        job = MaterialJob(wanted.recipe, BATCH if request.priority == pb.PRIORITY_BATCH else INTERACTIVE)
        try:
            future = self._engine.submit(card.id, job)
            accepted = pb.Accepted(
                request_id=secrets.token_hex(6), seed=wanted.recipe.seed, model_digest=card.digest, recipe=wanted.recipe_text
            )
            yield pb.TextureEvent(accepted=accepted)
            async for progress in _watch(self._engine, job, future):
                yield progress
            result = future.result()
            async for event in self._deliver(wanted, card, result):
                yield event
        finally:
            job.token.cancel()  # the call ended, however it did: work that still runs for it stops at its next step

    async def _deliver(self, wanted: convert.Wanted, card: Any, result: MaterialResult) -> AsyncIterator[pb.TextureEvent]:
        """Pack all maps in the pool, send them in order."""
        loop, started, waited = asyncio.get_running_loop(), time.monotonic(), 0.0
        packing = [
            loop.run_in_executor(self._pool, convert.pack_map, kind, result.maps[kind], wanted.encoding, wanted.recipe_text)
            for kind in wanted.maps
        ]
        seams = {}
        for kind, pending in zip(wanted.maps, packing, strict=True):
            packed, seams[kind] = await pending
            waited = time.monotonic() - started
            for event in convert.map_events(packed):
                yield event
        yield convert.summary_event(wanted, card, result, waited, seams)


async def _watch(engine: Engine, job: MaterialJob, future: Future[MaterialResult]) -> AsyncIterator[pb.TextureEvent]:
    """Progress events until the future is done; the latest state only."""
    state = {"now": (0.0, "queued")}
    job.on_progress = lambda fraction, stage: state.update(now=(fraction, stage))
    done, told = asyncio.wrap_future(future), None
    while not done.done():
        await asyncio.wait([done], timeout=POLL_S)
        fraction, stage = state["now"]
        current = (fraction, stage, engine.position(job))
        if current != told:
            told = current
            yield pb.TextureEvent(progress=pb.Progress(fraction=fraction, stage=stage, queue_position=current[2]))


class ModelService(pb_grpc.ModelServiceServicer):
    """What models there are."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:  # noqa: N802
        return pb.ListModelsResponse(models=[convert.model_message(c) for c in self._engine.cards()])

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:  # noqa: N802
        return pb.GetModelResponse(model=convert.model_message(self._engine.card(request.model)))


class ServerService(pb_grpc.ServerServiceServicer):
    """The server itself."""

    def __init__(self, engine: Engine, config: ServerConfig) -> None:
        self._engine, self._config = engine, config

    async def GetServerInfo(self, request: pb.GetServerInfoRequest, context: Context) -> pb.GetServerInfoResponse:  # noqa: N802
        edge = max((c.max_edge_px for c in self._engine.cards()), default=0)
        return convert.info_message(__version__, self._engine.devices(), self._config, edge, self._engine.queue_depth())
