# SPDX-License-Identifier: Apache-2.0
"""Encodes finished maps: packs them, hashes them and measures their seams, in a pool, as codecs and
hashes take most of the time.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from dataclasses import dataclass

from isal import isal_zlib

from texgen.files.images import encode
from texgen.maps import (
    MAP_SPECS,
    ColorSpace,
    Encoding,
    MapKind,
    PackedMap,
    Pixels,
    raw_view,
)
from texgen.seams import seam_percentile
from texgen_server.rpc.requests.order import Delivery

SMALL_BYTES, HUGE_BYTES = 2 << 20, 1 << 30
"""Bytes of a result's maps up to which they are encoded in one task, as a task for each would cost
more, and from which on they are encoded one after the other.
"""


@dataclass(frozen=True)
class EncodedMap:
    """A packed map with its hashes."""

    packed: PackedMap
    sha256: bytes
    crc32: int
    seam_percentile: float


def encode_map(kind: MapKind, pixels: Pixels, encoding: Encoding, recipe_text: str) -> EncodedMap:
    """Pack one map, hash it and measure its seam."""
    spec = MAP_SPECS[kind]
    text = {"Software": "texgen"} | ({"texgen:recipe": recipe_text} if recipe_text else {})
    data = (
        raw_view(pixels)
        if encoding is Encoding.RAW
        else encode(pixels, encoding, spec.color_space, text)
    )
    exr = encoding is Encoding.EXR
    space = ColorSpace.LINEAR if exr and spec.color_space is ColorSpace.SRGB else spec.color_space
    height, width, channels = pixels.shape
    packed = PackedMap(
        kind,
        width,
        height,
        channels,
        "float16" if exr else str(pixels.dtype),
        encoding,
        space,
        data,
    )
    return EncodedMap(
        packed, hashlib.sha256(data).digest(), isal_zlib.crc32(data), seam_percentile(pixels)
    )


async def encoded_maps(
    pool: Executor, maps: dict[MapKind, Pixels], delivery: Delivery, recipe_text: str
) -> AsyncIterator[EncodedMap]:
    """Yield the maps to send, in their order.

    ``maps`` is emptied: the memory of each map is released once it is packed.
    """
    loop, size = asyncio.get_running_loop(), sum(pixels.nbytes for pixels in maps.values())
    kinds, together = delivery.maps, max(1, len(delivery.maps) if size <= SMALL_BYTES else 1)
    groups = deque(kinds[at : at + together] for at in range(0, len(kinds), together))
    ahead = 1 if size > HUGE_BYTES else len(groups)
    packing: deque[asyncio.Future[list[EncodedMap]]] = deque()
    while groups or packing:
        while groups and len(packing) < ahead:
            group = groups.popleft()
            packing.append(
                loop.run_in_executor(
                    pool,
                    _encode_group,
                    {kind: maps.pop(kind) for kind in group},
                    delivery.encoding,
                    recipe_text,
                )
            )
        for encoded in await packing.popleft():
            yield encoded


def _encode_group(
    maps: dict[MapKind, Pixels], encoding: Encoding, recipe_text: str
) -> list[EncodedMap]:
    return [encode_map(kind, pixels, encoding, recipe_text) for kind, pixels in maps.items()]
