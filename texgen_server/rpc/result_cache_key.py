# SPDX-License-Identifier: Apache-2.0
"""Results by what names them: the key of an order, a finished result for the cache and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict

from texgen._version import __version__
from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen_server.cache import CachedResult
from texgen_server.engine.base import EnvironmentJob, MaterialJob
from texgen_server.rpc.map_stream import Event, MapSender
from texgen_server.rpc.requests.material import Order

RESULT_VERSION = 1
"""To be raised when the same recipe comes to give other bytes."""


def result_key(order: Order, card: ModelCard, engine: str) -> str:
    """SHA-256 of everything that shapes an order's bytes; empty for what no recipe names."""
    job = order.job
    if not order.recipe_text or not isinstance(job, MaterialJob | EnvironmentJob):
        return ""
    place = asdict(job.rectangle) if isinstance(job, MaterialJob) and job.rectangle else None
    endless = isinstance(job, MaterialJob) and job.endless
    maps = [str(kind) for kind in order.delivery.maps]
    named = [
        RESULT_VERSION,
        __version__,
        card.digest,
        engine,
        order.recipe_text,
        place,
        endless,
        maps,
        str(order.delivery.encoding),
    ]
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


def header_of(events: list[pb.TextureEvent]) -> bytes:
    """Headers and ends of a result's maps and its summary: one message after the other, each behind
    its length.
    """
    kept = [event.SerializeToString() for event in events]
    return b"".join(len(data).to_bytes(4, "big") + data for data in kept)


def cached_events(cached: CachedResult, sender: MapSender) -> Iterator[Event]:
    """The events of a result again; the summary says that it came from the cache, in no time."""
    parts, header = iter(cached.parts), pb.MapHeader()
    for event in _read_header(cached.header):
        match event.WhichOneof("event"):
            case "map_header":
                header = event.map_header
            case "map_end":
                yield from sender.add(header, next(parts), event.map_end)
            case "summary":
                event.summary.cache_hit = True
                event.summary.queue_s = event.summary.compute_s = event.summary.encode_s = 0.0
                yield from sender.rest()
                yield event


def _read_header(header: bytes) -> Iterator[pb.TextureEvent]:
    at = 0
    while at < len(header):
        length = int.from_bytes(header[at : at + 4], "big")
        yield pb.TextureEvent.FromString(header[at + 4 : at + 4 + length])
        at += 4 + length
