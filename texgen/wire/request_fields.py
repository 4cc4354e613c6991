# SPDX-License-Identifier: Apache-2.0
"""What a client's arguments become in a request.

Checks only what protobuf itself would refuse less clearly; the server checks the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypedDict

from texgen.errors import InvalidRequestError
from texgen.maps import MAP_SPECS, Encoding, MapKind, Pixels, raw_bytes
from texgen.pb import texgen_pb2 as pb
from texgen.wire.assembly import DTYPE_TO_PB, ENCODING_TO_PB, KIND_TO_PB, SPACE_TO_PB, Progress

LOCKS = {"layout": pb.LOCK_LAYOUT, "colour": pb.LOCK_COLOUR, "relief": pb.LOCK_RELIEF}
MODES = {
    "blend": pb.MIX_MODE_BLEND,
    "look": pb.MIX_MODE_LOOK,
    "paint": pb.MIX_MODE_PAINT,
    "transition": pb.MIX_MODE_TRANSITION,
}
DETAILS = {"sr": pb.DETAIL_SR}
BORDERS = {
    "wrap": pb.BORDER_WRAP,
    "wrap-x": pb.BORDER_WRAP_X,
    "wrap-y": pb.BORDER_WRAP_Y,
    "mirror": pb.BORDER_MIRROR,
    "panorama": pb.BORDER_PANORAMA,
}
TILINGS = {"auto": pb.TILING_AUTO, "always": pb.TILING_ALWAYS, "never": pb.TILING_NEVER}
FILLABLE = (MapKind.NORMAL, MapKind.ROUGHNESS, MapKind.METALLIC, MapKind.HEIGHT, MapKind.AO)
"""Maps that a repair can make where they are missing."""
CHUNK_BYTES = 512 * 1024


class CallOptions(TypedDict, total=False):
    """What every method that makes or changes textures takes."""

    encoding: Encoding
    """How to pack the maps; PNG if left out."""
    batch: bool
    """Let interactive requests go first."""
    on_progress: Callable[[Progress], None]
    on_preview: Callable[[MapKind, bytes], None]
    """Takes what a small early picture shows, and its PNG file."""


class Options(CallOptions, total=False):
    """What every method that makes materials takes."""

    model: str
    """Model id; the default material model if left out."""
    maps: Iterable[MapKind]
    """Maps to send; all if left out."""


def common_fields(options: Options) -> dict[str, Any]:
    """The fields that all requests for materials have."""
    return plain_fields(options, options.get("model", "")) | {
        "maps": [KIND_TO_PB[k] for k in options.get("maps", ())]
    }


def plain_fields(
    options: CallOptions, model: str, encoding: Encoding = Encoding.PNG
) -> dict[str, Any]:
    """Those of requests that choose no maps; ``encoding`` where the options say none."""
    priority = pb.PRIORITY_BATCH if options.get("batch") else pb.PRIORITY_INTERACTIVE
    return {
        "model": model,
        "encoding": ENCODING_TO_PB[options.get("encoding", encoding)],
        "priority": priority,
    }


def map_header(kind: MapKind, pixels: Pixels) -> pb.MapHeader:
    """A map as it is announced: raw samples."""
    if pixels.ndim != 3 or str(pixels.dtype) not in ("uint8", "uint16"):
        raise InvalidRequestError(
            f"{kind}: {pixels.dtype} of shape {pixels.shape}; give (H, W, C) of uint8 or uint16",
            "maps",
        )
    height, width, channels = pixels.shape
    return pb.MapHeader(
        kind=KIND_TO_PB[kind],
        width_px=width,
        height_px=height,
        channels=channels,
        dtype=DTYPE_TO_PB[str(pixels.dtype)],
        encoding=pb.ENCODING_RAW,
        color_space=SPACE_TO_PB[MAP_SPECS[kind].color_space],
        byte_size=pixels.nbytes,
    )


def map_pieces(maps: Mapping[MapKind, Pixels]) -> Iterator[pb.Chunk]:
    """The raw samples of maps, in pieces."""
    for kind, pixels in maps.items():
        data = raw_bytes(pixels)
        for at in range(0, len(data), CHUNK_BYTES):
            yield pb.Chunk(kind=KIND_TO_PB[kind], offset=at, data=data[at : at + CHUNK_BYTES])


def named(table: Mapping[str, Any], name: str, what: str) -> Any:
    """What a name stands for. Raises InvalidRequestError naming those there are."""
    if name not in table:
        raise InvalidRequestError(f"{what} {name!r}: allowed are {', '.join(table)}", what)
    return table[name]


def size_message(size_px: tuple[int, int] | None) -> pb.Size | None:
    """(width, height) in px as the contract has it."""
    return (
        pb.Size(width_px=checked_edge(size_px[0]), height_px=checked_edge(size_px[1]))
        if size_px
        else None
    )


def window_message(window_px: tuple[int, int, int, int] | None) -> pb.Window | None:
    """(x, y, width, height) in px as the contract has it."""
    if window_px is None:
        return None
    x, y, width, height = window_px
    if max(abs(x), abs(y)) >= 2**63:
        raise InvalidRequestError(f"window at {x}, {y}: too far from the origin", "window")
    return pb.Window(x_px=x, y_px=y, width_px=checked_edge(width), height_px=checked_edge(height))


def checked_seed(seed: int | None) -> int | None:
    """A seed that fits. Raises InvalidRequestError."""
    if seed is not None and not 0 <= seed < 2**64:
        raise InvalidRequestError(
            f"seed {seed}: allowed are whole numbers from 0 to {2**64 - 1}", "seed"
        )
    return seed


def checked_edge(edge_px: int) -> int:
    """A count of pixels or things that fits. Raises InvalidRequestError."""
    if not 0 <= edge_px < 2**32:
        raise InvalidRequestError(f"size {edge_px} px: give a positive number of pixels", "size")
    return edge_px
