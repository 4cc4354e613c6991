# SPDX-License-Identifier: Apache-2.0
"""The results of one call: from the cache or from the engine, as events in order.

One result is queued while the one before it is encoded and sent, so that neither engine nor network
waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator
from concurrent.futures import Executor, Future

from texgen.maps import MapKind
from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen_server.cache import CachedResult, ResultCache
from texgen_server.engine.jobs import Result
from texgen_server.engine.protocol import Engine
from texgen_server.observability.call_record import CallRecord, ResultRecord
from texgen_server.observability.model_statistics import Statistics
from texgen_server.rpc import convert
from texgen_server.rpc.map_encoding import HUGE_BYTES, encoded_maps
from texgen_server.rpc.map_stream import Event, MapSender
from texgen_server.rpc.progress import job_events
from texgen_server.rpc.requests.order import Order
from texgen_server.rpc.result_cache_key import cached_events, header_of, result_key

LOOK_AHEAD = 2
"""Results of one call that may be queued or running at a time."""


class ResultStream:
    """Makes and sends the results of one call."""

    def __init__(
        self,
        engine: Engine,
        pool: Executor,
        cache: ResultCache | None,
        statistics: Statistics,
        record: CallRecord,
        card: ModelCard,
        orders: list[Order],
    ) -> None:
        self._engine, self._pool, self._cache, self._statistics = engine, pool, cache, statistics
        self._record, self._card, self._orders = record, card, orders
        self._engine_name = engine.name()
        """Name of the arithmetic, part of the cache's keys."""
        self._earlier = len(record.results)  # results of earlier positions of an exploration
        self._jobs: dict[int, Future[Result]] = {}
        """Futures of the submitted jobs, by the index of their order."""
        self._cached: dict[int, CachedResult] = {}
        """Results from the cache that were not sent yet, by the index of their order."""

    async def events(self, choice: pb.PromptChoice | None) -> AsyncIterator[Event]:
        """Yield the events of all results. Raises what the work raises."""
        count = len(self._orders)
        for index, order in enumerate(self._orders):
            for ahead in range(index, min(index + LOOK_AHEAD, count)):
                await self._begin(ahead)
            yield convert.accepted_event(self._record.id, order, self._card, index, count, choice)
            if index in self._cached:
                for event in self._cached_events(self._cached.pop(index)):
                    yield event
                continue
            async for told in job_events(self._engine, order, self._jobs[index], self._pool):
                yield told
            async for event in self._new_events(order, self._jobs[index].result()):
                yield event

    def submitted(self) -> Collection[Future[Result]]:
        """Return the futures of all submitted jobs."""
        return self._jobs.values()

    def unfinished(self) -> int:
        """Return the number of results that were begun and not sent whole."""
        made = sum(not result.cache_hit for result in self._record.results[self._earlier :])
        return len(set(self._jobs) | set(self._cached)) - made

    async def _begin(self, index: int) -> None:
        """Take a result from the cache, or submit its job, unless that was done before."""
        if index in self._jobs or index in self._cached:
            return
        order = self._orders[index]
        key = self._key(order)
        loop = asyncio.get_running_loop()
        cached = (
            await loop.run_in_executor(self._pool, self._cache.get, key)
            if self._cache and key
            else None
        )
        if cached:
            self._cached[index] = cached
        else:
            self._jobs[index] = self._engine.submit(self._card.id, order.job)

    def _key(self, order: Order) -> str:
        """Return the key of a result in the cache; empty where it has none."""
        if not (self._cache and order.cacheable):
            return ""
        return result_key(order, self._card, self._engine_name)

    def _cached_events(self, cached: CachedResult) -> Iterator[Event]:
        """Yield the events of a cached result, then record that it was sent."""
        yield from cached_events(cached, MapSender(whole=self._record.takes_whole_maps))
        self._statistics.hit(self._card.id)
        self._record.results.append(
            ResultRecord(size_bytes=sum(map(len, cached.parts)), cache_hit=True)
        )

    async def _new_events(self, order: Order, result: Result) -> AsyncIterator[Event]:
        """Encode maps in the pool and send them in order; then put the result into the cache."""
        started, encode_s, size_bytes = time.monotonic(), 0.0, 0
        key = self._key(order) if self._fits_cache(result) else ""
        seams: dict[MapKind, float] = {}
        kept_events: list[pb.TextureEvent] = []
        kept_data: list[bytes | memoryview] = []
        sender = MapSender(whole=self._record.takes_whole_maps)
        recipe_text = convert.recipe_of(order, self._card, result)
        async for encoded in encoded_maps(self._pool, result.maps, order.delivery, recipe_text):
            data = encoded.packed.data
            seams[encoded.packed.kind] = encoded.seam_percentile
            size_bytes += len(data)
            encode_s = time.monotonic() - started
            header, end = convert.frame_of(encoded)
            for event in sender.add(header, data, end):
                yield event
            if key:
                kept_events += [pb.TextureEvent(map_header=header), pb.TextureEvent(map_end=end)]
                kept_data.append(data)
        for event in sender.rest():
            yield event
        kept_events.append(convert.summary_event(order, self._card, result, encode_s, seams))
        yield kept_events[-1]
        self._record_result(result, encode_s, size_bytes)
        if self._cache and key:
            self._pool.submit(self._cache.put, key, header_of(kept_events), kept_data)

    def _fits_cache(self, result: Result) -> bool:
        """Return True for a result that is not huge and was made with the arithmetic that its key
        names: replicas on other nodes, or another GPU, may have another.
        """
        return (
            result.engine == self._engine_name
            and sum(p.nbytes for p in result.maps.values()) <= HUGE_BYTES
        )

    def _record_result(self, result: Result, encode_s: float, size_bytes: int) -> None:
        self._statistics.delivered(self._card.id, result.queue_s, result.compute_s, encode_s)
        self._record.results.append(
            ResultRecord(result.queue_s, result.compute_s, encode_s, size_bytes)
        )
