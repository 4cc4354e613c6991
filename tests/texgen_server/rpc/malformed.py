# SPDX-License-Identifier: Apache-2.0
"""What nobody should send: messages with fields at random, bytes that say they are huge
pictures.
"""

from __future__ import annotations

import struct
import zlib

from google.protobuf.message import DecodeError

from texgen.pb import texgen_pb2 as pb

METHODS = {
    "GenerateMaterial": pb.GenerateMaterialRequest,
    "VaryMaterial": pb.VaryMaterialRequest,
    "MixMaterials": pb.MixMaterialsRequest,
    "GenerateEnvironment": pb.GenerateEnvironmentRequest,
}


def mutated(kind, chance):
    """A right message with a wrong field, or anything at all; its size is small, so that what is
    right by chance is soon done.
    """
    request, fields = kind(), list(kind.DESCRIPTOR.fields)
    if hasattr(request, "classes") and chance.random() < 0.5:
        request.classes.add(
            name="overcast" if kind is pb.GenerateEnvironmentRequest else "bark", weight=1.0
        )
        fields = [chance.choice(fields)]
    for field in fields:
        if len(fields) == 1 or chance.random() < 0.55:
            put(request, field, chance)
    if hasattr(request, "width_px"):
        request.width_px = chance.choice([0, 1024, 1000, 2**32 - 1])
    else:
        sizes = (
            [(33, 32), (0, 0), (2**32 - 1, 1), (32, 2**31)]
            if request.HasField("size")
            else [(32, 32), (64, 32)]
        )
        request.size.width_px, request.size.height_px = chance.choice(sizes)
    return damaged(request, chance) if chance.random() < 0.3 else request


def damaged(request, chance):
    """Some bytes changed, as far as it is still a message."""
    data = bytearray(request.SerializeToString() or b"\0")
    for _ in range(chance.randrange(1, 4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    try:
        return type(request).FromString(bytes(data))
    except DecodeError:
        return type(request)()


TEXTS = [
    "",
    "bark",
    "brick",
    "tg1:AAAA",
    "tg1:",
    "tg1x:!!",
    "\u0000",
    "x" * 5000,
    "../../etc/passwd",
    "ü" * 40,
    "outdoor_clear",
    "tile_px",
]
NUMBERS = [0.0, -1.0, 1.0, 0.5, 1e308, float("inf"), float("nan"), -0.0, 64.0]


def put(message, field, chance):
    """Something into a field, of its type."""
    if field.message_type and field.message_type.GetOptions().map_entry:
        for _ in range(chance.randrange(3)):
            getattr(message, field.name)[chance.choice([*TEXTS, "hue_shift", "sun_size"])] = (
                chance.choice(NUMBERS)
            )
        return
    count = chance.randrange(3) if field.is_repeated else 1
    values = [value_of(field, chance) for _ in range(count)]
    if field.message_type and not field.is_repeated:
        getattr(message, field.name).CopyFrom(values[0])
    elif field.is_repeated:
        getattr(message, field.name).extend(values)
    else:
        setattr(message, field.name, values[0])


def value_of(field, chance):
    kind = field.cpp_type
    if field.message_type:
        made = field.message_type._concrete_class()
        for inner in field.message_type.fields:
            if chance.random() < 0.7:
                put(made, inner, chance)
        return made
    if field.type == field.TYPE_BYTES:
        return chance.randbytes(40)
    if kind == field.CPPTYPE_STRING:
        return chance.choice(TEXTS)
    if kind in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
        return chance.choice(NUMBERS)
    if kind == field.CPPTYPE_BOOL:
        return chance.random() < 0.5
    if kind == field.CPPTYPE_ENUM:
        return chance.choice([0, 1, 2, 99])
    limits = {field.CPPTYPE_INT64: [-(2**63), 2**63 - 1, -1], field.CPPTYPE_INT32: [-(2**31), -1]}
    top = 2**64 - 1 if kind == field.CPPTYPE_UINT64 else 2**32 - 1
    return chance.choice([*limits.get(kind, [top]), 0, 1, 7])


def png(width, height, data):
    """A PNG that says what it likes about its size."""

    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


BOMBS = {
    "30000 x 30000 px": png(30000, 30000, b""),
    "64 MB of zeros in a small file": png(8000, 8000, bytes(64_000_000)),
    "an edge of 2^31 px": png(2**31 - 1, 1, b""),
    "0 px": png(0, 10, b""),
    "EXR with an absurd data window": b"\x76\x2f\x31\x01\x02\0\0\0dataWindow\0box2i\0\x10\0\0\0"
    + b"\xff\xff\xff\x7f" * 4
    + b"\0",
    "an empty file": b"",
    "64 MB of zeros": bytes(64 << 20),
    "half a PNG": png(64, 64, bytes(64 * 65))[:40],
}
