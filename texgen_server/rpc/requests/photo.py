# SPDX-License-Identifier: Apache-2.0
"""CaptureMaterial: a photograph in pieces -> a checked order."""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import AsyncIterator

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError, LoadError
from texgen.files.images import open_picture
from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen.recipes.build import make_recipe
from texgen.recipes.recipe import DEFAULT_SIZE_PX
from texgen_server.engine.base import MaterialJob, Photo
from texgen_server.rpc.requests.material import Order, delivery_of, priority_of

MAX_PHOTO_BYTES = 64 << 20
MIN_PHOTO_PX = 64
MAX_STEPS = 200
DEFAULT_STEPS = 100
MAX_COLOURS = 16


def can_capture() -> bool:
    """Whether what a capture needs is installed here."""
    return all(importlib.util.find_spec(name) for name in ("torch", "efficientnet_lite_pytorch"))


async def receive_photo(
    parts: AsyncIterator[pb.CaptureMaterialRequest],
) -> tuple[pb.CaptureOptions, bytes]:
    """Collect the pieces; never more than announced. Raises InvalidRequestError."""
    options, data = None, bytearray()
    async for part in parts:
        if part.WhichOneof("part") == "options":
            if options is not None:
                raise InvalidRequestError(
                    "the options came twice: send them once, first", "options"
                )
            options = part.options
            if not 0 < options.photo_bytes <= MAX_PHOTO_BYTES:
                raise InvalidRequestError(
                    f"a photo of {options.photo_bytes} bytes: allowed are 1 to {MAX_PHOTO_BYTES}",
                    "photo",
                )
            continue
        if options is None:
            raise InvalidRequestError("the first message must carry the options", "options")
        data += part.photo
        if len(data) > options.photo_bytes:
            raise InvalidRequestError(
                f"more bytes of the photo came than the {options.photo_bytes} announced", "photo"
            )
    if options is None:
        raise InvalidRequestError("no options came: send them first, then the photo", "options")
    if len(data) < options.photo_bytes:
        raise InvalidRequestError(
            f"only {len(data)} of {options.photo_bytes} bytes of the photo came", "photo"
        )
    return options, bytes(data)


def capture_order(
    options: pb.CaptureOptions, data: bytes, card: ModelCard, max_pixels: int
) -> Order:
    """Decode and check. Raises InvalidRequestError, and LoadError when the server cannot
    capture.
    """
    if not can_capture():
        raise LoadError("this server cannot capture: it needs pip install 'texgen[capture]'")
    if options.class_name and options.class_name not in card.class_names():
        raise InvalidRequestError(
            f"unknown class {options.class_name!r}: there are {', '.join(card.class_names())}",
            "class_name",
        )
    steps = options.steps if options.HasField("steps") else DEFAULT_STEPS
    if steps > MAX_STEPS:
        raise InvalidRequestError(f"{steps} steps: allowed are 0 to {MAX_STEPS}", "steps")
    size = (
        (options.size.width_px, options.size.height_px)
        if options.HasField("size")
        else (DEFAULT_SIZE_PX, DEFAULT_SIZE_PX)
    )
    if size[0] * size[1] > max_pixels:
        raise InvalidRequestError(
            f"{size[0]} x {size[1]} px is more than this server makes ({max_pixels} px)", "size"
        )
    seed = options.seed if options.HasField("seed") else secrets.randbelow(2**32)
    place = make_recipe(card, [(card.classes[0].name, 1.0)], seed, size)
    photo = Photo(_pixels(data), options.class_name, _palette(list(options.palette)), steps)
    return Order(
        MaterialJob(place, priority=priority_of(options), photo=photo),
        "",
        delivery_of(options, card),
    )


def _pixels(data: bytes) -> NDArray[np.float32]:
    picture = open_picture(
        data,
        "photo",
        formats=("PNG", "JPEG", "WEBP"),
        modes=("RGB", "RGBA", "L"),
        min_edge_px=MIN_PHOTO_PX,
    )
    return np.asarray(picture.convert("RGB"), np.float32) / np.float32(255.0)


def _palette(colours: list[int]) -> tuple[tuple[float, float, float], ...]:
    if len(colours) == 1 or len(colours) > MAX_COLOURS or any(c > 0xFFFFFF for c in colours):
        raise InvalidRequestError(f"a palette is 2 to {MAX_COLOURS} colours as 0xRRGGBB", "palette")
    return tuple(((c >> 16) / 255.0, (c >> 8 & 0xFF) / 255.0, (c & 0xFF) / 255.0) for c in colours)
