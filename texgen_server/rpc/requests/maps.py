# SPDX-License-Identifier: Apache-2.0
"""UpscaleMaterial, RepairMaterial: receives maps in pieces and makes a checked order.

Sizes are checked before memory is allocated or anything is decoded.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from texgen.errors import InvalidRequestError
from texgen.files.images import decode
from texgen.maps import (
    FILLABLE,
    MAP_SPECS,
    MATERIAL_MAPS,
    MAX_EDGE_PX,
    Border,
    Encoding,
    MapKind,
    PackedMap,
    Pixels,
    Tiling,
)
from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen.wire.enums import (
    BORDER_FROM_PB,
    DTYPE_FROM_PB,
    ENCODING_FROM_PB,
    KIND_FROM_PB,
    TILING_FROM_PB,
)
from texgen_server.engine.jobs import RepairJob, UpscaleJob
from texgen_server.networks.channels import SCALES
from texgen_server.rpc.requests.order import Delivery, Host, Order, encoding_of

MAX_UPLOAD_BYTES = 1 << 30
"""Most bytes of all maps of a call together."""


async def receive_upscale(
    parts: AsyncIterator[pb.UpscaleMaterialRequest], host: Host
) -> tuple[pb.UpscaleOptions, list[PackedMap]]:
    """Collect the options and maps of an UpscaleMaterial. Raises InvalidRequestError."""
    return await _receive_maps(parts, lambda options: check_upscale(options, host.max_pixels))


async def receive_repair(
    parts: AsyncIterator[pb.RepairMaterialRequest], host: Host
) -> tuple[pb.RepairOptions, list[PackedMap]]:
    """Collect the options and maps of a RepairMaterial. Raises InvalidRequestError."""
    return await _receive_maps(parts, lambda options: check_repair(options, host.max_pixels))


async def _receive_maps(
    parts: AsyncIterator[pb.UpscaleMaterialRequest] | AsyncIterator[pb.RepairMaterialRequest],
    check: Callable[[Any], None],
) -> tuple[Any, list[PackedMap]]:
    """Collect the pieces of maps; never more bytes than announced.

    ``check`` refuses options before the maps come. Raises InvalidRequestError.
    """
    options: Any = None
    data: dict[pb.MapKind, bytearray] = {}
    async for part in parts:
        if part.WhichOneof("part") == "options":
            if options is not None:
                raise InvalidRequestError(
                    "the options came twice: send them once, first", "options"
                )
            options = part.options
            check(options)
            data = {header.kind: bytearray() for header in options.maps}
            continue
        if options is None:
            raise InvalidRequestError("the first message must carry the options", "options")
        _append(options, data, part.chunk)
    if options is None:
        raise InvalidRequestError("no options came: send them first, then the maps", "options")
    return options, [_packed(header, bytes(data[header.kind])) for header in options.maps]


def check_upscale(options: pb.UpscaleOptions, max_pixels: int) -> None:
    """Check the options of an UpscaleMaterial before its maps come. Raises InvalidRequestError."""
    if options.scale not in SCALES:
        raise InvalidRequestError(
            f"scale {options.scale}: allowed are {' and '.join(map(str, SCALES))}", "scale"
        )
    if options.border not in BORDER_FROM_PB:
        raise InvalidRequestError(
            f"border {options.border}: allowed are {', '.join(Border)}", "border"
        )
    _check_announced(options.maps, options.scale, max_pixels)


def check_repair(options: pb.RepairOptions, max_pixels: int) -> None:
    """Check the options of a RepairMaterial before its maps come. Raises InvalidRequestError."""
    if options.tiling not in TILING_FROM_PB:
        raise InvalidRequestError(
            f"tiling {options.tiling}: allowed are {', '.join(Tiling)}", "tiling"
        )
    unknown = [kind for kind in options.fill if KIND_FROM_PB.get(kind) not in FILLABLE]
    if unknown:
        raise InvalidRequestError(
            f"{KIND_FROM_PB.get(unknown[0], unknown[0])} cannot be filled: what can is "
            f"{', '.join(FILLABLE)}; a colour comes from a photograph",
            "fill",
        )
    if options.class_name and not options.fill:
        raise InvalidRequestError(
            "a class serves the estimate of missing maps: say in fill which to make, or leave "
            "the class out",
            "class_name",
        )
    _check_announced(options.maps, 1, max_pixels)


def _check_announced(headers: Sequence[pb.MapHeader], scale: int, max_pixels: int) -> None:
    kinds = [header.kind for header in headers]
    if (
        not kinds
        or any(KIND_FROM_PB.get(kind) not in MATERIAL_MAPS for kind in kinds)
        or len(set(kinds)) < len(kinds)
    ):
        raise InvalidRequestError(
            f"announce one to {len(MATERIAL_MAPS)} maps, each kind once: "
            f"{', '.join(MATERIAL_MAPS)}",
            "maps",
        )
    for header in headers:
        _check_header(header, scale, max_pixels)
    total = sum(header.byte_size for header in headers)
    if total > MAX_UPLOAD_BYTES:
        raise InvalidRequestError(
            f"maps of {total} bytes together: allowed are {MAX_UPLOAD_BYTES}", "maps"
        )


def _check_header(header: pb.MapHeader, scale: int, max_pixels: int) -> None:
    kind = KIND_FROM_PB[header.kind]
    width, height, channels = header.width_px, header.height_px, header.channels
    if not (width and height):
        raise InvalidRequestError(f"{kind} of {width} x {height} px: both must be above 0", "maps")
    if width * height > max_pixels:
        raise InvalidRequestError(
            f"{kind} of {width} x {height} px is more than this server takes ({max_pixels} px)",
            "maps",
        )
    if max(width, height) * scale > MAX_EDGE_PX:
        raise InvalidRequestError(
            f"{kind} of {width} x {height} px times {scale}: at most {MAX_EDGE_PX} px on an edge",
            "maps",
        )
    allowed = {MAP_SPECS[kind].channels} | ({4} if kind is MapKind.BASECOLOR else set())
    if channels not in allowed:
        raise InvalidRequestError(
            f"{kind} with {channels} channels: allowed are "
            f"{' or '.join(map(str, sorted(allowed)))}",
            "maps",
        )
    if header.dtype not in (pb.DTYPE_UINT8, pb.DTYPE_UINT16) or header.encoding not in (
        pb.ENCODING_RAW,
        pb.ENCODING_PNG,
    ):
        raise InvalidRequestError(f"{kind}: send uint8 or uint16 samples, raw or as PNG", "maps")
    if header.encoding == pb.ENCODING_RAW and header.byte_size != width * height * channels * (
        1 if header.dtype == pb.DTYPE_UINT8 else 2
    ):
        raise InvalidRequestError(
            f"{kind}: {header.byte_size} bytes do not hold {width} x {height} x {channels} raw "
            f"samples",
            "maps",
        )


def _append(options: Any, data: dict[pb.MapKind, bytearray], chunk: pb.Chunk) -> None:
    announced = {header.kind: header.byte_size for header in options.maps}
    if chunk.kind not in announced or chunk.offset != len(data[chunk.kind]):
        raise InvalidRequestError(
            "a piece of a map came out of order, or of a map that was not announced", "chunk"
        )
    if chunk.offset + len(chunk.data) > announced[chunk.kind]:
        raise InvalidRequestError(
            f"more bytes of {KIND_FROM_PB[chunk.kind]} came than the {announced[chunk.kind]} "
            f"announced",
            "chunk",
        )
    data[chunk.kind] += chunk.data


def _packed(header: pb.MapHeader, data: bytes) -> PackedMap:
    kind, encoding = KIND_FROM_PB[header.kind], ENCODING_FROM_PB[header.encoding]
    if len(data) < header.byte_size:
        raise InvalidRequestError(
            f"only {len(data)} of {header.byte_size} bytes of {kind} came", "chunk"
        )
    if encoding is Encoding.PNG and png_size(data) != (header.width_px, header.height_px):
        raise InvalidRequestError(
            f"{kind} is no PNG of {header.width_px} x {header.height_px} px, as announced", "maps"
        )
    space = MAP_SPECS[kind].color_space
    return PackedMap(
        kind,
        header.width_px,
        header.height_px,
        header.channels,
        DTYPE_FROM_PB[header.dtype],
        encoding,
        space,
        data,
    )


def png_size(data: bytes) -> tuple[int, int] | None:
    """Read width and height from a PNG's header; None where it has none."""
    if len(data) < 33 or data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def upscale_order(options: pb.UpscaleOptions, packed: list[PackedMap], host: Host) -> Order:
    """Decode the maps and make the order. Raises InvalidRequestError."""
    observer = host.observer()
    job = UpscaleJob(
        {p.kind: _pixels(p) for p in packed},
        options.scale,
        BORDER_FROM_PB[options.border],
        **host.job_options(options, observer),
    )
    delivery = Delivery([p.kind for p in packed], encoding_of(options.encoding))
    return Order(job, observer, "", delivery)


def repair_model(options: pb.RepairOptions) -> tuple[str, str]:
    """Return id and kind of the model that a repair runs on: the estimator where maps are filled,
    else the upscaler.
    """
    return (options.model, "estimator") if options.fill else ("", "upscaler")


def repair_order(
    options: pb.RepairOptions, packed: list[PackedMap], card: ModelCard, host: Host
) -> Order:
    """Decode the maps and make the order. ``card`` is the estimator's where maps are to be filled.

    Raises InvalidRequestError.
    """
    if options.fill and options.class_name and options.class_name not in card.class_names():
        raise InvalidRequestError(
            f"unknown class {options.class_name!r}: there are {', '.join(card.class_names())}",
            "class_name",
        )
    fill = frozenset(KIND_FROM_PB[kind] for kind in options.fill)
    observer = host.observer()
    helpers = (host.upscaler().id,) if options.clean else ()
    job = RepairJob(
        {p.kind: _pixels(p) for p in packed},
        TILING_FROM_PB[options.tiling],
        options.clean,
        fill,
        options.class_name,
        **host.job_options(options, observer, helpers),
    )
    kinds: list[MapKind] = [k for k in MATERIAL_MAPS if k in fill | set(job.maps)]
    return Order(job, observer, "", Delivery(kinds, encoding_of(options.encoding)))


def _pixels(packed: PackedMap) -> Pixels:
    try:
        pixels = decode(packed)
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidRequestError(
            f"{packed.kind} is truncated or damaged: {error}", "maps"
        ) from error
    if str(pixels.dtype) != packed.dtype:
        raise InvalidRequestError(
            f"{packed.kind} holds {pixels.dtype} samples, announced was {packed.dtype}", "maps"
        )
    return pixels
