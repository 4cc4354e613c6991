# SPDX-License-Identifier: Apache-2.0
"""Calls for textures: all that a servicer's method needs, from the lookup of a model to the events
of the results.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import Any, ParamSpec, TypeVar

import grpc

from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen_server.cache import open_cache
from texgen_server.cache_folder import usable_folder
from texgen_server.config import ServerConfig
from texgen_server.engine.protocol import Engine
from texgen_server.observability.call_record import CALL
from texgen_server.observability.model_statistics import Statistics
from texgen_server.prompt import PromptReaders
from texgen_server.rpc.admission import Admission
from texgen_server.rpc.map_stream import Event
from texgen_server.rpc.requests.order import Host, Order
from texgen_server.rpc.requests.prompt import resolve_prompt
from texgen_server.rpc.result_stream import LOOK_AHEAD, ResultStream

Context = grpc.aio.ServicerContext[Any, Any]
P = ParamSpec("P")
T = TypeVar("T")


class TextureCalls:
    """State that all calls for textures share."""

    def __init__(
        self, engine: Engine, config: ServerConfig, pool: Executor, statistics: Statistics
    ) -> None:
        self.engine, self.config, self.pool, self.statistics = engine, config, pool, statistics
        self.admission = Admission(config)
        self.prompts = PromptReaders()
        folder = usable_folder(config.cache_folder) if config.cache_bytes else None
        self.cache = open_cache(folder / "results", config.cache_bytes) if folder else None

    def in_flight(self) -> int:
        """Return the number of calls that are in progress."""
        return self.admission.in_flight()

    def begin(self, context: Context) -> TextureCall:
        """Begin a call. To be called in the event loop."""
        left_s = context.time_remaining()
        return TextureCall(self, math.inf if left_s is None else time.monotonic() + left_s)


class TextureCall:
    """A call for textures."""

    def __init__(self, shared: TextureCalls, deadline: float) -> None:
        self._shared = shared
        self.host = Host(
            shared.config.max_pixels,
            lambda: shared.engine.card("", "upscaler"),
            deadline,
            asyncio.get_running_loop(),
        )

    def card(self, model_id: str, kind: str = "material") -> ModelCard:
        """Return a model's card. Raises NotFoundError, InvalidRequestError."""
        return self._shared.engine.card(model_id, kind)

    async def in_pool(self, work: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
        """Run work that would block the event loop in the pool."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._shared.pool, lambda: work(*arguments, **keywords))

    async def resolve_prompt(
        self, request: pb.GenerateMaterialRequest, card: ModelCard
    ) -> tuple[pb.GenerateMaterialRequest, pb.PromptChoice | None]:
        """Turn the prompt of a request, if it has one, into classes, seed and controls. Raises
        InvalidRequestError, LoadError.
        """
        if not request.prompt:
            return request, None
        return await self.in_pool(resolve_prompt, request, card, self._shared.prompts)

    async def results(
        self, card: ModelCard, orders: list[Order], choice: pb.PromptChoice | None = None
    ) -> AsyncIterator[Event]:
        """Yield the events of all results, in the order of their orders.

        Raises CapacityError when the server is busy, and what the work raises.
        """
        record, shared = CALL.get(), self._shared
        record.model = card.id
        pixels = sum(sorted(order.job.pixels for order in orders)[-LOOK_AHEAD:])
        stream = ResultStream(
            shared.engine, shared.pool, shared.cache, shared.statistics, record, card, orders
        )
        ticket = shared.admission.enter(record.peer, pixels)
        try:
            async for event in stream.events(choice):
                yield event
        except BaseException:  # whatever ended the call: the client left, the work failed
            shared.statistics.failed(card.id, stream.unfinished())
            raise
        finally:
            # the call has ended, however it did: work that still runs for it stops at its next step
            for order in orders:
                order.job.token.cancel()
            ticket.release_after(stream.submitted())
