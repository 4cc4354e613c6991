# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import hashlib
import pickle

import pytest

from texgen.assembly import Assembler
from texgen.errors import ConnectionFailedError
from texgen.pb import texgen_pb2 as pb

DATA = b"0123456789"
HEADER = pb.TextureEvent(
    map_header=pb.MapHeader(kind=pb.MAP_KIND_AO, width_px=5, height_px=2, channels=1, dtype=pb.DTYPE_UINT8, encoding=pb.ENCODING_RAW,
                            color_space=pb.COLOR_SPACE_DATA, byte_size=len(DATA))
)  # fmt: skip


def chunk(offset, data):
    return pb.TextureEvent(chunk=pb.Chunk(kind=pb.MAP_KIND_AO, offset=offset, data=data))


END = pb.TextureEvent(map_end=pb.MapEnd(kind=pb.MAP_KIND_AO, byte_size=len(DATA), sha256=hashlib.sha256(DATA).digest()))
SUMMARY = pb.TextureEvent(summary=pb.Summary(recipe="tg1:x", seed=4))


def feed(*events):
    assembler = Assembler()
    for event in events:
        assembler.feed(event)
    return assembler.result()


def test_pieces_become_a_map():
    material = feed(HEADER, chunk(0, DATA[:4]), chunk(4, DATA[4:]), END, SUMMARY)
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
        (HEADER, chunk(0, DATA[:4]), END, SUMMARY),
        (chunk(0, DATA), END, SUMMARY),
        (HEADER, chunk(0, DATA), END),
        (),
    ],
    ids=["order", "too much", "damaged", "too little", "no header", "no summary", "nothing"],
)
def test_a_broken_stream_is_no_result(events):
    with pytest.raises(ConnectionFailedError):
        feed(*events)
