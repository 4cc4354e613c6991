# SPDX-License-Identifier: Apache-2.0
"""The key of an order in the cache, and a finished result for the cache and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict

from texgen._version import __version__
from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen_server.cache import CachedResult
from texgen_server.engine.jobs import EnvironmentJob, MaterialJob
from texgen_server.rpc.map_stream import Event, MapSender
from texgen_server.rpc.requests.order import Order

RESULT_VERSION = 2
"""Raise it when the same recipe gives other bytes.

2: panoramas go through the upscaler as float, without rounding.
"""


def result_key(order: Order, card: ModelCard, engine: str) -> str:
    """Hash everything that shapes an order's bytes (SHA-256); empty for a result without a
    recipe.
    """
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
    """Serialise headers and ends of a result's maps and its summary: one message after the other,
    each after its length.
    """
    messages = [event.SerializeToString() for event in events]
    return b"".join(len(data).to_bytes(4, "big") + data for data in messages)


def cached_events(cached: CachedResult, sender: MapSender) -> Iterator[Event]:
    """Yield the events of a cached result; its summary says so, and has durations of zero."""
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
