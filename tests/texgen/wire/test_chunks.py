# SPDX-License-Identifier: Apache-2.0
"""Chunks written and read in place are protobuf's, to the byte; whatever else comes is read by
protobuf.
"""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from texgen.pb import texgen_pb2 as pb
from texgen.wire.chunks import (
    RawChunk,
    ReadyEvent,
    read_event,
    serialized,
    write_chunk,
    write_whole_maps,
)

kinds = st.sampled_from(sorted(pb.MapKind.values()))
offsets = st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1))
long = st.integers(16_000, 17_000).map(lambda size: (bytes(range(256)) * 67)[:size])
"""About where a length takes a third byte."""


@given(kinds, offsets, st.one_of(st.binary(max_size=300), long))
def test_what_is_written_is_what_protobuf_writes_and_is_read_the_same(kind, offset, data):
    plain = pb.TextureEvent(chunk=pb.Chunk(kind=kind, offset=offset, data=data))
    written = write_chunk(kind, offset, memoryview(data)).message
    if data:  # an empty field is not written by protobuf; both mean the same
        assert written == plain.SerializeToString()
    assert pb.TextureEvent.FromString(written) == plain
    chunk = read_event(written)
    assert isinstance(chunk, RawChunk)
    assert (chunk.kind, chunk.offset, bytes(chunk.data)) == (kind, offset, data)


@given(st.lists(st.tuples(kinds, st.one_of(st.binary(min_size=1, max_size=300), long)), max_size=4))
def test_whole_maps_are_written_as_protobuf_writes_them(maps):
    told = [
        (
            pb.MapHeader(kind=k, width_px=9, byte_size=len(d)),
            d,
            pb.MapEnd(kind=k, sha256=b"s", crc32=0),
        )
        for k, d in maps
    ]
    plain = pb.TextureEvent(
        whole_maps=pb.WholeMaps(maps=[pb.WholeMap(header=h, data=d, end=e) for h, d, e in told])
    )
    assert (
        write_whole_maps([(h, memoryview(d), e) for h, d, e in told]).message
        == plain.SerializeToString()
    )


@given(st.binary(max_size=200))
def test_anything_is_read_as_protobuf_reads_it(message):
    for start in (b"", b"\x2a"):
        whole = start + message
        try:
            plain = pb.TextureEvent.FromString(whole)
        except DecodeError:
            with pytest.raises(DecodeError):
                read_event(whole)
            continue
        event = read_event(whole)
        if isinstance(event, RawChunk):
            event = pb.TextureEvent(
                chunk=pb.Chunk(kind=event.kind, offset=event.offset, data=bytes(event.data))
            )
        assert event.chunk.data == plain.chunk.data and event.chunk.offset == plain.chunk.offset


def test_fields_in_another_order_or_unknown_ones_are_left_to_protobuf():
    data, kind = (
        pb.Chunk(data=b"abc").SerializeToString(),
        pb.Chunk(kind=2, offset=7).SerializeToString(),
    )
    for body in (data + kind, kind + b"\x78\x01" + data):
        event = read_event(b"\x2a" + bytes([len(body)]) + body)
        assert isinstance(event, pb.TextureEvent)
        assert (event.chunk.kind, event.chunk.offset, event.chunk.data) == (2, 7, b"abc")
    summary = pb.TextureEvent(summary=pb.Summary(recipe="tg1:x"))
    assert read_event(summary.SerializeToString()) == summary


def test_the_serialiser_lets_ready_events_pass():
    write = serialized(lambda event: event.SerializeToString())
    ready = write_chunk(1, 2, b"abc")
    assert write(ready) is ready.message and isinstance(ready, ReadyEvent)
    assert write(pb.TextureEvent()) == b""
