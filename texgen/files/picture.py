# SPDX-License-Identifier: Apache-2.0
"""Reads and writes existing texture files, keeping format, channels and bit depth.

Sizes are checked before anything is decoded.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from texgen.errors import InvalidRequestError
from texgen.files.images import MAX_DECODED_PIXELS, encode_png
from texgen.maps import Pixels

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "TGA", "BMP")
SaveOptions: TypeAlias = dict[str, Any]
"""Arguments of Pillow's ``Image.save``."""
_JPEG: SaveOptions = {"format": "JPEG", "quality": 95, "subsampling": 0}
_TIFF: SaveOptions = {"format": "TIFF", "compression": "tiff_lzw"}
_SAVE_OPTIONS: dict[str, SaveOptions] = {
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": {"format": "WEBP", "lossless": True},
    ".tif": _TIFF,
    ".tiff": _TIFF,
}
"""Pillow's options for each kind of file; PNG has a writer of its own."""
WRITTEN_SUFFIXES = frozenset({".png", *_SAVE_OPTIONS})
"""File extensions that `picture_bytes` can write."""


@dataclass(frozen=True)
class PictureFile:
    """A picture that was read from a file."""

    path: Path
    pixels: Pixels
    """(H, W, C) with 1, 3 or 4 channels of uint8 or uint16."""


def decodes(data: bytes) -> bool:
    """Return True if a picture can be decoded, or is too large to be decoded here."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height <= MAX_DECODED_PIXELS:
                picture.load()
    except Image.DecompressionBombError:
        return True
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def _opencv(path: Path) -> Any:
    try:
        import cv2
    except ImportError as error:
        raise InvalidRequestError(
            f"{path} has 16 bits in several channels: that needs OpenCV (pip install "
            f"'texgen[deep]'), or save it with 8 bits",
            "picture",
        ) from error
    return cv2


def check_writable(picture: PictureFile) -> None:
    """Check before any work that a picture can be written in the format of its name.

    Raises InvalidRequestError.
    """
    suffix, channels = picture.path.suffix.lower(), picture.pixels.shape[2]
    if suffix not in WRITTEN_SUFFIXES:
        raise InvalidRequestError(
            f"{picture.path.name}: files are written as {', '.join(['.png', *_SAVE_OPTIONS])}; "
            f"convert it first",
            "picture",
        )
    flat = suffix in (".jpg", ".jpeg")
    if (flat and channels == 4) or (
        picture.pixels.dtype == np.uint16 and suffix not in (".png", ".tif", ".tiff")
    ):
        raise InvalidRequestError(
            f"{picture.path.name} has alpha or 16 bits, which {suffix} cannot hold; name it .png",
            "picture",
        )


def picture_bytes(pixels: Pixels, path: Path, *, srgb: bool) -> bytes:
    """Encode pixels in the format of the path's suffix (see `check_writable`).

    Raises InvalidRequestError where that format cannot hold them.
    """
    suffix = path.suffix.lower()
    if suffix == ".png":
        return encode_png(pixels, srgb=srgb)
    if pixels.dtype == np.uint16 and pixels.shape[2] > 1:
        written, data = _opencv(path).imencode(suffix, pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])
        if not written:
            raise InvalidRequestError(
                f"{path.name}: {pixels.shape[1]} x {pixels.shape[0]} px could not be written "
                f"as {suffix}",
                "picture",
            )
        return bytes(data)
    buffer = io.BytesIO()
    try:
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(
            buffer, **_SAVE_OPTIONS[suffix]
        )
    except (OSError, ValueError) as error:  # such as more than 16383 px in WebP
        raise InvalidRequestError(
            f"{path.name}: {pixels.shape[1]} x {pixels.shape[0]} px cannot be written as "
            f"{suffix} ({error})",
            "picture",
        ) from error
    return buffer.getvalue()
