# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import hashlib
import pickle
import zlib

import pytest

from texgen.errors import ConnectionFailedError
from texgen.pb import texgen_pb2 as pb
from texgen.wire.assembly import Assembler

DATA = b"0123456789"
HEADER = pb.TextureEvent(
    map_header=pb.MapHeader(
        kind=pb.MAP_KIND_AO,
        width_px=5,
        height_px=2,
        channels=1,
        dtype=pb.DTYPE_UINT8,
        encoding=pb.ENCODING_RAW,
        color_space=pb.COLOR_SPACE_DATA,
        byte_size=len(DATA),
    )
)


def chunk(offset, data):
    return pb.TextureEvent(chunk=pb.Chunk(kind=pb.MAP_KIND_AO, offset=offset, data=data))


def end(data=DATA, kind=pb.MAP_KIND_AO, **checks):
    return pb.MapEnd(
        kind=kind,
        byte_size=len(data),
        **(checks or {"sha256": hashlib.sha256(data).digest(), "crc32": zlib.crc32(data)}),
    )


def whole(data=DATA, closing=None):
    return pb.TextureEvent(
        whole_maps=pb.WholeMaps(
            maps=[pb.WholeMap(header=HEADER.map_header, data=data, end=closing or end())]
        )
    )


END = pb.TextureEvent(map_end=end())
OLD_END = pb.TextureEvent(map_end=end(sha256=hashlib.sha256(DATA).digest()))
"""Of a server that knew no CRC-32 yet."""
SUMMARY = pb.TextureEvent(summary=pb.Summary(recipe="tg1:x", seed=4))


def feed(*events):
    assembler = Assembler()
    for event in events:
        assembler.feed(event)
    return assembler.material()


@pytest.mark.parametrize(
    "events",
    [
        (HEADER, chunk(0, DATA[:4]), chunk(4, DATA[4:]), END),
        (HEADER, chunk(0, DATA), OLD_END),
        (whole(),),
    ],
    ids=["pieces", "pieces of an old server", "whole"],
)
def test_events_become_a_map(events):
    material = feed(*events, SUMMARY)
    assert material.seed == 4
    assert [m.data for m in material.maps.values()] == [DATA]


def test_a_received_map_is_read_only_and_can_be_copied():
    material = feed(HEADER, chunk(0, DATA), END, SUMMARY)
    (packed,) = material.maps.values()
    with pytest.raises(TypeError):
        packed.data[0] = 1
    for again in (pickle.loads(pickle.dumps(packed)), copy.deepcopy(packed)):
        assert again == packed
        assert type(again.data) is bytes


@pytest.mark.parametrize(
    "events",
    [
        (HEADER, chunk(4, DATA[4:]), chunk(0, DATA[:4]), END, SUMMARY),
        (HEADER, chunk(0, DATA), chunk(10, b"x"), END, SUMMARY),
        (HEADER, chunk(0, b"012345678X"), END, SUMMARY),
        (HEADER, chunk(0, b"012345678X"), OLD_END, SUMMARY),
        (HEADER, chunk(0, DATA), pb.TextureEvent(map_end=end(kind=pb.MAP_KIND_HEIGHT)), SUMMARY),
        (whole(b"012345678X"), SUMMARY),
        (whole(DATA[:4], end(DATA[:4])), SUMMARY),
        (whole(DATA, end(sha256=hashlib.sha256(b"").digest())), SUMMARY),
        (HEADER, chunk(0, DATA[:4]), END, SUMMARY),
        (chunk(0, DATA), END, SUMMARY),
        (HEADER, chunk(0, DATA), END),
        (),
    ],
    ids=[
        "order",
        "too much",
        "damaged",
        "damaged, old server",
        "another map's end",
        "damaged, whole",
        "too little, whole",
        "damaged, whole, hash only",
        "too little",
        "no header",
        "no summary",
        "nothing",
    ],
)
def test_a_broken_stream_is_no_result(events):
    with pytest.raises(ConnectionFailedError):
        feed(*events)
