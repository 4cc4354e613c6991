# SPDX-License-Identifier: Apache-2.0
"""UpscaleMaterial: maps in pieces -> a checked order. Sizes are checked before memory is taken and before anything is decoded."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator

from texgen.assembly import DTYPE_FROM_PB, ENCODING_FROM_PB, KIND_FROM_PB
from texgen.errors import InvalidRequestError
from texgen.images import decode
from texgen.maps import MAP_SPECS, MAX_EDGE_PX, Encoding, MapKind, PackedMap, Pixels
from texgen.pb import texgen_pb2 as pb
from texgen_server.channels import SCALES
from texgen_server.engine.base import UpscaleJob
from texgen_server.rpc.requests import Delivery, Order, encoding_of, priority_of
from texgen_server.upscaling import Border

MAX_UPLOAD_BYTES = 1 << 30
"""Of all maps of a call together."""
BORDERS = {
    pb.BORDER_UNSPECIFIED: Border.WRAP,
    pb.BORDER_WRAP: Border.WRAP,
    pb.BORDER_WRAP_X: Border.WRAP_X,
    pb.BORDER_WRAP_Y: Border.WRAP_Y,
    pb.BORDER_MIRROR: Border.MIRROR,
    pb.BORDER_PANORAMA: Border.PANORAMA,
}


async def receive_maps(parts: AsyncIterator[pb.UpscaleMaterialRequest], max_pixels: int) -> tuple[pb.UpscaleOptions, list[PackedMap]]:
    """Collect the pieces; never more than announced, no map of more than ``max_pixels``. Raises InvalidRequestError."""
    options: pb.UpscaleOptions | None = None
    data: dict[pb.MapKind, bytearray] = {}
    async for part in parts:
        if part.WhichOneof("part") == "options":
            if options is not None:
                raise InvalidRequestError("the options came twice: send them once, first", "options")
            options = part.options
            _check_announced(options, max_pixels)
            data = {header.kind: bytearray() for header in options.maps}
            continue
        if options is None:
            raise InvalidRequestError("the first message must carry the options", "options")
        _append(options, data, part.chunk)
    if options is None:
        raise InvalidRequestError("no options came: send them first, then the maps", "options")
    return options, [_packed(header, bytes(data[header.kind])) for header in options.maps]


def _check_announced(options: pb.UpscaleOptions, max_pixels: int) -> None:
    """Everything that can be refused before the maps come."""
    if options.scale not in SCALES:
        raise InvalidRequestError(f"scale {options.scale}: allowed are {' and '.join(map(str, SCALES))}", "scale")
    if options.border not in BORDERS:
        raise InvalidRequestError(f"border {options.border}: allowed are {', '.join(Border)}", "border")
    kinds = [header.kind for header in options.maps]
    if not kinds or any(kind not in KIND_FROM_PB for kind in kinds) or len(set(kinds)) < len(kinds):
        raise InvalidRequestError(f"announce one to {len(MapKind)} maps, each kind once: {', '.join(MapKind)}", "maps")
    for header in options.maps:
        _check_header(header, options.scale, max_pixels)
    total = sum(header.byte_size for header in options.maps)
    if total > MAX_UPLOAD_BYTES:
        raise InvalidRequestError(f"maps of {total} bytes together: allowed are {MAX_UPLOAD_BYTES}", "maps")


def _check_header(header: pb.MapHeader, scale: int, max_pixels: int) -> None:
    kind = KIND_FROM_PB[header.kind]
    width, height, channels = header.width_px, header.height_px, header.channels
    if not (width and height):
        raise InvalidRequestError(f"{kind} of {width} x {height} px: both must be above 0", "maps")
    if width * height > max_pixels:
        raise InvalidRequestError(f"{kind} of {width} x {height} px is more than this server takes ({max_pixels} px)", "maps")
    if max(width, height) * scale > MAX_EDGE_PX:
        raise InvalidRequestError(f"{kind} of {width} x {height} px times {scale}: at most {MAX_EDGE_PX} px on an edge", "maps")
    allowed = {MAP_SPECS[kind].channels} | ({4} if kind is MapKind.BASECOLOR else set())
    if channels not in allowed:
        raise InvalidRequestError(f"{kind} with {channels} channels: allowed are {' or '.join(map(str, sorted(allowed)))}", "maps")
    if header.dtype not in (pb.DTYPE_UINT8, pb.DTYPE_UINT16) or header.encoding not in (pb.ENCODING_RAW, pb.ENCODING_PNG):
        raise InvalidRequestError(f"{kind}: send uint8 or uint16 samples, raw or as PNG", "maps")
    if header.encoding == pb.ENCODING_RAW and header.byte_size != width * height * channels * (1 if header.dtype == pb.DTYPE_UINT8 else 2):
        raise InvalidRequestError(f"{kind}: {header.byte_size} bytes do not hold {width} x {height} x {channels} raw samples", "maps")


def _append(options: pb.UpscaleOptions, data: dict[pb.MapKind, bytearray], chunk: pb.Chunk) -> None:
    announced = {header.kind: header.byte_size for header in options.maps}
    if chunk.kind not in announced or chunk.offset != len(data[chunk.kind]):
        raise InvalidRequestError("a piece of a map came out of order, or of a map that was not announced", "chunk")
    if chunk.offset + len(chunk.data) > announced[chunk.kind]:
        raise InvalidRequestError(f"more bytes of {KIND_FROM_PB[chunk.kind]} came than the {announced[chunk.kind]} announced", "chunk")
    data[chunk.kind] += chunk.data


def _packed(header: pb.MapHeader, data: bytes) -> PackedMap:
    kind, encoding = KIND_FROM_PB[header.kind], ENCODING_FROM_PB[header.encoding]
    if len(data) < header.byte_size:
        raise InvalidRequestError(f"only {len(data)} of {header.byte_size} bytes of {kind} came", "chunk")
    if encoding is Encoding.PNG and png_size(data) != (header.width_px, header.height_px):
        raise InvalidRequestError(f"{kind} is no PNG of {header.width_px} x {header.height_px} px, as announced", "maps")
    space = MAP_SPECS[kind].color_space
    return PackedMap(kind, header.width_px, header.height_px, header.channels, DTYPE_FROM_PB[header.dtype], encoding, space, data)


def png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height out of a PNG's header, without decoding it."""
    if len(data) < 33 or data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def upscale_order(options: pb.UpscaleOptions, packed: list[PackedMap]) -> Order:
    """Decode and check. Raises InvalidRequestError."""
    job = UpscaleJob({p.kind: _pixels(p) for p in packed}, options.scale, BORDERS[options.border], priority=priority_of(options))
    return Order(job, "", Delivery([p.kind for p in packed], encoding_of(options.encoding)))


def _pixels(packed: PackedMap) -> Pixels:
    try:
        pixels = decode(packed)
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidRequestError(f"{packed.kind} is truncated or damaged: {error}", "maps") from error
    if str(pixels.dtype) != packed.dtype:
        raise InvalidRequestError(f"{packed.kind} holds {pixels.dtype} samples, announced was {packed.dtype}", "maps")
    return pixels
