# SPDX-License-Identifier: Apache-2.0
"""Serialises the messages that carry megabytes, without protobuf's copies of their bytes.

These are ``TextureEvent{chunk}``, which is also read in place, and ``TextureEvent{whole_maps}``.
The bytes are those of protobuf (fields in their order); a message of another form is read by
protobuf itself. Source: the protocol buffers encoding specification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, TypeVar

from google.protobuf.message_factory import GetMessageClass

from texgen.pb import texgen_pb2 as pb
from texgen.recipes.varint import varint

CHUNK_BYTES = 512 * 1024
"""Bytes of map data in one message; the contract allows up to 1 MiB."""
_LENGTH_DELIMITED = 2
_EVENT = pb.TextureEvent.DESCRIPTOR.fields_by_name["chunk"].number << 3 | _LENGTH_DELIMITED
_WHOLE_MAPS = (
    pb.TextureEvent.DESCRIPTOR.fields_by_name["whole_maps"].number << 3 | _LENGTH_DELIMITED
)
_WHOLE_MAP = pb.WholeMaps.DESCRIPTOR.fields_by_name["maps"].number << 3 | _LENGTH_DELIMITED
_WHOLE_DATA = pb.WholeMap.DESCRIPTOR.fields_by_name["data"].number << 3 | _LENGTH_DELIMITED
_KIND = pb.Chunk.DESCRIPTOR.fields_by_name["kind"].number << 3
_OFFSET = pb.Chunk.DESCRIPTOR.fields_by_name["offset"].number << 3
_DATA = pb.Chunk.DESCRIPTOR.fields_by_name["data"].number << 3 | _LENGTH_DELIMITED


_Message = TypeVar("_Message")


class ReadyEvent(NamedTuple):
    """A serialised `pb.TextureEvent`."""

    message: bytes


class MethodChannel(Protocol):
    """The part of a channel of gRPC that creates callables of streaming methods."""

    @property
    def unary_stream(self) -> Callable[..., Callable[..., Any]]:
        """Create the callable of a method that takes one request."""

    @property
    def stream_stream(self) -> Callable[..., Callable[..., Any]]:
        """Create the callable of a method that takes a stream of requests."""


class RawChunk(NamedTuple):
    """A `pb.Chunk` whose data is a view of the message."""

    kind: int
    offset: int
    data: memoryview


def write_chunk(kind: int, offset: int, data: bytes | memoryview) -> ReadyEvent:
    """Serialise the event of a piece of a map; the data is copied once."""
    head = (bytes((_KIND,)) + varint(kind) if kind else b"") + (
        bytes((_OFFSET,)) + varint(offset) if offset else b""
    )
    head += bytes((_DATA,)) + varint(len(data))
    return ReadyEvent(b"".join((bytes((_EVENT,)), varint(len(head) + len(data)), head, data)))


def write_whole_maps(
    maps: Iterable[tuple[pb.MapHeader, bytes | memoryview, pb.MapEnd]],
) -> ReadyEvent:
    """Serialise the event of several complete maps; the data is copied once."""
    pieces: list[bytes | memoryview] = []
    for header, data, end in maps:
        before = (
            pb.WholeMap(header=header).SerializeToString()
            + bytes((_WHOLE_DATA,))
            + varint(len(data))
        )
        after = pb.WholeMap(end=end).SerializeToString()
        pieces += [
            bytes((_WHOLE_MAP,)),
            varint(len(before) + len(data) + len(after)),
            before,
            data,
            after,
        ]
    return ReadyEvent(b"".join((bytes((_WHOLE_MAPS,)), varint(sum(map(len, pieces))), *pieces)))


def read_event(message: bytes) -> pb.TextureEvent | RawChunk:
    """Read a chunk in place, any other event by protobuf.

    Raises google.protobuf.message.DecodeError for other bytes.
    """
    if message and message[0] == _EVENT:
        chunk = _read_chunk(message)
        if chunk is not None:
            return chunk
    return pb.TextureEvent.FromString(message)


def serialized(write: Callable[[_Message], bytes]) -> Callable[[_Message | ReadyEvent], bytes]:
    """Return a serialiser that passes a `ReadyEvent` through."""
    return lambda event: event.message if isinstance(event, ReadyEvent) else write(event)


def texture_methods(channel: MethodChannel) -> dict[str, Callable[..., Any]]:
    """Return the callables of TextureService's methods by name, on a channel of gRPC; they yield
    events as `read_event` returns them.
    """
    service, methods = pb.DESCRIPTOR.services_by_name["TextureService"], {}
    for method in service.methods:
        request, answer = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        make = channel.stream_stream if method.client_streaming else channel.unary_stream
        read = read_event if answer is pb.TextureEvent else answer.FromString
        methods[method.name] = make(
            f"/{service.full_name}/{method.name}",
            request_serializer=request.SerializeToString,
            response_deserializer=read,
        )
    return methods


def _read_chunk(message: bytes) -> RawChunk | None:
    """Read a chunk; None for a message of another form."""
    length, at = _number(message, 1)
    if at + length != len(message):
        return None
    known = {_KIND: 0, _OFFSET: 0}
    while at < len(message):
        tag = message[at]
        number, at = _number(message, at + 1)
        if tag == _DATA:
            return (
                RawChunk(known[_KIND], known[_OFFSET], memoryview(message)[at:])
                if at + number == len(message)
                else None
            )
        if tag not in known:
            return None
        known[tag] = number
    return None


def _number(message: bytes, at: int) -> tuple[int, int]:
    """Read a varint and return its value and the offset behind it; past the end or too long, a
    value that fits nowhere.
    """
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(message):
            break
        value |= (message[at] & 0x7F) << shift
        at += 1
        if message[at - 1] < 0x80:
            return value, at
    return len(message) + 1, at
