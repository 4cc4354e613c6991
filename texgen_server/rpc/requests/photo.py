# SPDX-License-Identifier: Apache-2.0
"""CaptureMaterial: receives a photograph in pieces and makes a checked order."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError, LoadError
from texgen.files.images import MAX_UPLOAD_PIXELS
from texgen.inputs.pictures import read_picture
from texgen.maps import to_unit
from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen.recipes.recipe import DEFAULT_SIZE_PX
from texgen_server.capture.options import DEFAULT_STEPS, CaptureOptions
from texgen_server.engine.jobs import CaptureJob
from texgen_server.rpc.requests.order import Host, Order, delivery_of
from texgen_server.rpc.requests.seed import seed_of

MAX_PHOTO_BYTES = 64 << 20
MIN_PHOTO_PX = 64
MAX_STEPS = 200
MAX_COLOURS = 16


def can_capture() -> bool:
    """Return True if the packages of a capture are installed here."""
    return all(importlib.util.find_spec(name) for name in ("torch", "efficientnet_lite_pytorch"))


async def receive_photo(
    parts: AsyncIterator[pb.CaptureMaterialRequest],
) -> tuple[pb.CaptureOptions, bytes]:
    """Collect the pieces of a photograph; never more bytes than announced. Raises
    InvalidRequestError.
    """
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


def capture_order(options: pb.CaptureOptions, data: bytes, card: ModelCard, host: Host) -> Order:
    """Decode the photograph, check the options and make the order. Raises InvalidRequestError, and
    LoadError when the server cannot capture.
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
    host.check_size(size, "size")
    wanted = CaptureOptions(
        seed_of(options), size, options.class_name, _palette(list(options.palette)), steps
    )
    observer = host.observer()
    job = CaptureJob(_pixels(data), wanted, **host.job_options(options, observer))
    return Order(job, observer, "", delivery_of(options, card))


def _pixels(data: bytes) -> NDArray[np.float32]:
    """Decode a photograph, upright and in sRGB: (H, W, 3) in [0, 1]. Raises
    InvalidRequestError.
    """
    picture = read_picture(
        data, "the photo", colour=True, max_pixels=MAX_UPLOAD_PIXELS, field="photo"
    )
    height, width, channels = picture.pixels.shape
    if min(height, width) < MIN_PHOTO_PX:
        raise InvalidRequestError(
            f"the photo has {width} x {height} px: at least {MIN_PHOTO_PX} px on each side are "
            f"needed",
            "photo",
        )
    unit = to_unit(picture.pixels[..., :3])
    return np.repeat(unit, 3, 2) if channels == 1 else unit


def _palette(colours: list[int]) -> tuple[tuple[float, float, float], ...]:
    if len(colours) == 1 or len(colours) > MAX_COLOURS or any(c > 0xFFFFFF for c in colours):
        raise InvalidRequestError(f"a palette is 2 to {MAX_COLOURS} colours as 0xRRGGBB", "palette")
    return tuple(((c >> 16) / 255.0, (c >> 8 & 0xFF) / 255.0, (c & 0xFF) / 255.0) for c in colours)
