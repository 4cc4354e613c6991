# SPDX-License-Identifier: Apache-2.0
"""How maps travel: in small pieces, or small ones whole and together for who asks for that; the
result is the same.
"""

from __future__ import annotations

import hashlib
import zlib

import grpc
import pytest

from texgen.client import Client
from texgen.maps import Encoding
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen.wire.assembly import WHOLE_MAPS, Assembler
from texgen.wire.chunks import ReadyEvent
from texgen_server.rpc.map_stream import MapSender

TOKEN = (("authorization", "Bearer secret"),)
KINDS = [
    pb.MAP_KIND_BASECOLOR,
    pb.MAP_KIND_NORMAL,
    pb.MAP_KIND_ROUGHNESS,
    pb.MAP_KIND_METALLIC,
    pb.MAP_KIND_HEIGHT,
    pb.MAP_KIND_AO,
]


def asked(server, edge_px, *metadata, **fields):
    """The events of a set, as any client gets them."""
    with grpc.insecure_channel(server) as channel:
        request = pb.GenerateMaterialRequest(
            classes=[pb.ClassWeight(name="bark", weight=1)],
            seed=5,
            encoding=pb.ENCODING_RAW,
            **fields,
        )
        request.size.width_px = request.size.height_px = edge_px
        return list(
            pb_grpc.TextureServiceStub(channel).GenerateMaterial(
                request, metadata=(*TOKEN, *metadata)
            )
        )


def assembled(events):
    assembler = Assembler()
    for event in events:
        assembler.feed(event)
    return assembler.material()


def names(events):
    return [
        name
        for event in events
        if (name := event.WhichOneof("event")) not in ("progress", "preview")
    ]


def test_events_come_in_order_and_small(server):
    events = asked(server, 1024)
    kinds = names(events)
    assert (kinds[0], kinds[-1]) == ("accepted", "summary")
    assert kinds.count("map_header") == kinds.count("map_end") == 6
    assert max(e.map_header.byte_size for e in events) > 2 << 20
    assert max(len(e.chunk.data) for e in events) <= 1 << 20
    assert "whole_maps" not in kinds


def test_small_maps_come_whole_and_together_to_who_asks(server):
    events = asked(server, 256, WHOLE_MAPS)
    assert names(events) == ["accepted", "whole_maps", "summary"]
    (whole,) = [e.whole_maps.maps for e in events if e.HasField("whole_maps")]
    assert [w.header.kind for w in whole] == KINDS
    for w in whole:
        assert len(w.data) == w.header.byte_size == w.end.byte_size
        assert (hashlib.sha256(w.data).digest(), zlib.crc32(w.data)) == (w.end.sha256, w.end.crc32)
    assert assembled(events).maps == assembled(asked(server, 256)).maps


def test_large_maps_come_in_pieces_to_everybody_and_in_their_order(server):
    """Of 1024 px, grey ones of 8 bits are the longest that go whole."""
    events = asked(server, 1024, WHOLE_MAPS)
    kinds = []
    for event in events:
        kinds += (
            [event.map_header.kind]
            if event.HasField("map_header")
            else [w.header.kind for w in event.whole_maps.maps]
        )
        assert event.ByteSize() < (2 << 20) + 2048
    assert kinds == KINDS
    assert {"map_header", "whole_maps"} < set(names(events))
    assert assembled(events).maps == assembled(asked(server, 1024)).maps


def test_an_exploration_brings_them_whole_too(server):
    with Client(server, "secret") as client, client.explore() as exploration:
        exploration.send("bark", seed=5, size_px=(64, 64))
        exploration.close()
        ((_, shown),) = list(exploration)
        assert (
            shown.maps
            == client.generate("bark", seed=5, size_px=(64, 64), encoding=Encoding.RAW).maps
        )


@pytest.mark.parametrize(
    "sizes", [[], [0], [1 << 20, (1 << 20) + 1, 5], [1 << 20, 1 << 20, 1, 1 << 20], [7] * 40]
)
def test_a_sender_leaves_nothing_out_and_holds_to_its_limits(sizes):
    sender, events = MapSender(whole=True), []
    for number, size in enumerate(sizes):
        events += sender.add(
            pb.MapHeader(kind=number % 7, byte_size=size),
            bytes(size),
            pb.MapEnd(kind=number % 7, byte_size=size),
        )
    events += sender.rest()
    events = [
        pb.TextureEvent.FromString(e.message) if isinstance(e, ReadyEvent) else e for e in events
    ]
    came = []
    for event in events:
        came += (
            [event.map_header.byte_size]
            if event.HasField("map_header")
            else [len(w.data) for w in event.whole_maps.maps]
        )
        assert sum(len(w.data) for w in event.whole_maps.maps) <= 2 << 20
    assert came == sizes
    assert not list(sender.rest())
