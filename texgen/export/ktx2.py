# SPDX-License-Identifier: Apache-2.0
"""Encodes and decodes KTX2 with Basis Universal: ETC1S for colour, UASTC with zstd for data, mips
included.

Source: Khronos KTX 2.0, KHR_texture_basisu.
"""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

import numpy as np

from texgen.errors import InvalidRequestError
from texgen.export.mips import mip_chain
from texgen.files.images import MAX_DECODED_PIXELS, decode_png
from texgen.maps import Pixels

EncoderOptions: TypeAlias = dict[str, int | bool]
"""Arguments of the encoder."""
BLOCK_PX = 4
SIZE_OFFSET = 20
"""Offset of width and height in the header, in bytes."""
ETC1S_QUALITY, ETC1S_EFFORT = 80, 1
UASTC_QUALITY, UASTC_EFFORT = 100, 2
"""Quality and effort; below a quality of 100 the bytes depend on the number of threads."""
ZSTD_LEVEL = 10


def encode_ktx2(pixels: Pixels, *, srgb: bool, normal: bool = False, codec: str = "") -> bytes:
    """Encode (H, W, C) uint8 with 1, 3 or 4 channels; the same input gives the same bytes.

    ``codec`` is "etc1s" or "uastc"; empty: ETC1S for sRGB, UASTC for data. Raises
    InvalidRequestError for sizes that are no multiple of 4, and where the encoder is not installed.
    """
    height, width, channels = pixels.shape
    if height % BLOCK_PX or width % BLOCK_PX:
        raise InvalidRequestError(
            f"KTX2 needs edges that are multiples of {BLOCK_PX} px: {width} x {height} px are not",
            "preset",
        )
    alktx2 = _load()
    levels = [
        (_rgba(level).tobytes(), level.shape[1], level.shape[0])
        for level in mip_chain(pixels, srgb=srgb, normal=normal)
    ]
    colour: EncoderOptions = {
        "srgb": srgb,
        "linear": not srgb,
        "force_alpha": channels == 4,
        "check_for_alpha": channels == 4,
        "threads": 1,
    }
    if (codec or ("etc1s" if srgb else "uastc")) == "etc1s":
        data = alktx2.encode_raw_mips_to_ktx2(
            levels,
            channels == 4,
            codec="etc1s",
            quality=ETC1S_QUALITY,
            effort=ETC1S_EFFORT,
            **colour,
        )
    else:
        settings: EncoderOptions = {
            "quality": UASTC_QUALITY,
            "effort": UASTC_EFFORT,
            "zstd_supercompression_level": ZSTD_LEVEL,
        }
        data = alktx2.encode_raw_mips_to_ktx2(
            levels, channels == 4, codec="uastc", **settings, **colour
        )
    return bytes(data)


def decode_ktx2(data: bytes) -> Pixels:
    """Decode the largest level of a KTX2 file with Basis Universal to (H, W, 4) uint8.

    Raises InvalidRequestError.
    """
    width, height = (
        struct.unpack_from("<2I", data, SIZE_OFFSET) if len(data) >= SIZE_OFFSET + 8 else (0, 0)
    )
    if width * height > MAX_DECODED_PIXELS:
        raise InvalidRequestError(
            f"{width} x {height} px is more than the {MAX_DECODED_PIXELS} px that are decoded",
            "picture",
        )
    try:
        png, _ = _load().decode_ktx2_to_bytes(data, format="png")
    except (RuntimeError, ValueError) as error:
        raise InvalidRequestError(
            f"this is no readable KTX2 file with Basis Universal in it: {error}", "picture"
        ) from error
    return decode_png(png)


def _load() -> Any:
    try:
        import alktx2
    except ImportError as error:
        raise InvalidRequestError(
            "KTX2 needs the alktx2 library: pip install 'texgen[ktx2]', or choose png", "preset"
        ) from error
    return alktx2


def _rgba(pixels: Pixels) -> Pixels:
    """Return four channels: grey is repeated, a missing alpha is opaque."""
    colour = np.repeat(pixels, 3, 2) if pixels.shape[2] == 1 else pixels
    if colour.shape[2] == 4:
        return np.ascontiguousarray(colour)
    return np.concatenate([colour, np.full((*colour.shape[:2], 1), 255, np.uint8)], 2)
