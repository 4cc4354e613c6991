# SPDX-License-Identifier: Apache-2.0
"""Reads picture files of any common kind as 8 or 16 bit samples, upright and in sRGB.

Sizes come from the header, and are checked before anything is decoded. Pillow reads what it holds
without loss; OpenImageIO reads the rest (EXR, HDR, deep TIFF and PNG, JPEG XL, DDS).
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from texgen.errors import InvalidRequestError
from texgen.files.images import MAX_DECODED_PIXELS
from texgen.files.picture import PictureFile
from texgen.inputs.deep_pictures import read_deep
from texgen.inputs.headers import container_of, open_lazily, quietly
from texgen.inputs.places import Source
from texgen.maps import Pixels

CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}
ORIENTATION = 0x0112
"""EXIF tag."""
DEEP_CONTAINERS = frozenset({"EXR", "HDR", "JXL", "DDS"})
REFUSED = {
    "PSD": "a Photoshop document: export its maps as PNG",
    "KTX2": "a KTX2 texture: its samples are compressed for GPUs; give the files it was made from",
}
BAD_MODES = {"CMYK": "CMYK", "YCCK": "CMYK", "LAB": "Lab", "HSV": "HSV"}


@dataclass(frozen=True)
class Picture:
    """A decoded picture."""

    pixels: Pixels
    """(H, W, C) uint8 or uint16 with 1, 3 or 4 channels, rows from the top. Colour is sRGB."""
    notes: tuple[str, ...] = ()
    """What was converted on the way, for the report."""


def read_picture(
    data: bytes,
    name: str,
    *,
    colour: bool,
    max_pixels: int = MAX_DECODED_PIXELS,
    field: str = "picture",
) -> Picture:
    """Decode a picture file. ``colour``: samples are colour, which profiles and palettes apply to.

    Turned by its EXIF orientation; colour with a profile is converted to sRGB, data stays
    untouched. Raises InvalidRequestError for what is no picture, is damaged, too large, animated,
    in colours for print, or has a palette but is data; ``field`` is what the error names.
    """
    try:
        with quietly():
            return _read(data, name, colour=colour, max_pixels=max_pixels)
    except InvalidRequestError as error:
        raise InvalidRequestError(str(error), field) from error


def read_picture_file(path: Path, *, colour: bool = True) -> PictureFile:
    """Read a picture file on disk, see `read_picture`. Raises InvalidRequestError."""
    found = read_picture(Source(path).read(), str(path), colour=colour)
    return PictureFile(path, found.pixels)


def _read(data: bytes, name: str, *, colour: bool, max_pixels: int) -> Picture:
    container = container_of(data, name)
    if container in REFUSED:
        raise InvalidRequestError(f"{name} is {REFUSED[container]}", "picture")
    if container in DEEP_CONTAINERS:
        return Picture(*read_deep(data, name, container, colour=colour, max_pixels=max_pixels))
    picture = open_lazily(data, name, container)
    _check_size(picture, name, max_pixels)
    if _needs_deep(picture, data):
        pixels, notes = read_deep(data, name, container, colour=colour, max_pixels=max_pixels)
        return _turned(Picture(pixels, notes), picture)
    try:
        return _turned(_decode(picture, name, colour=colour), picture)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InvalidRequestError(f"{name} is truncated or damaged: {error}", "picture") from error


def _check_size(picture: Image.Image, name: str, max_pixels: int) -> None:
    """Refuse what is too large, animated or for print. Raises InvalidRequestError."""
    if picture.width * picture.height > max_pixels:
        raise InvalidRequestError(
            f"{name} has {picture.width} x {picture.height} px: at most {max_pixels} px are "
            f"read; cut it into parts",
            "picture",
        )
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise InvalidRequestError(
            f"{name} is animated or has several pages: save one picture of it", "picture"
        )
    if picture.mode in BAD_MODES:
        raise InvalidRequestError(
            f"{name} is {BAD_MODES[picture.mode]}, colours for print: save it as RGB", "picture"
        )


def _needs_deep(picture: Image.Image, data: bytes) -> bool:
    """Return whether Pillow would lose bits of a picture."""
    if picture.mode == "F" or picture.mode.startswith("I;32") or picture.mode == "I":
        return picture.format == "TIFF"
    tiles = getattr(picture, "tile", None)
    layout = str(tiles[0].args) if tiles else ""
    if picture.format == "PNG":
        return data[24] == 16 and data[25] != 0
    return picture.format == "TIFF" and "16" in layout and picture.mode in ("RGB", "RGBA", "LA")


def _decode(picture: Image.Image, name: str, *, colour: bool) -> Picture:
    size = picture.size
    picture.load()
    if picture.size != size:
        raise InvalidRequestError(f"{name} has two sizes in its headers", "picture")
    if picture.mode.startswith("I"):
        return Picture(_sixteen_bits(picture, name))
    notes: tuple[str, ...] = ()
    if picture.mode in ("P", "PA"):
        if not colour:
            raise InvalidRequestError(
                f"{name} has a palette, which data cannot have: save it as grey or RGB", "picture"
            )
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
        notes = ("palette resolved to colours",)
    elif picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode in ("LA", "La"):
        picture = picture.convert("RGBA" if colour else "L")
        notes = ("grey with alpha",) if colour else ("alpha left out",)
    if picture.mode not in CHANNELS:
        raise InvalidRequestError(
            f"{name} is {picture.mode}: save it as grey, RGB or RGBA with 8 or 16 bits", "picture"
        )
    if colour:
        picture, note = _to_srgb(picture)
        notes += (note,) if note else ()
    pixels = np.asarray(picture).reshape(picture.height, picture.width, CHANNELS[picture.mode])
    return Picture(pixels, notes)


def _sixteen_bits(picture: Image.Image, name: str) -> Pixels:
    samples = np.asarray(picture)
    if samples.min() < 0 or samples.max() > 65535:
        raise InvalidRequestError(f"{name} has samples beyond 16 bits", "picture")
    return samples.astype(np.uint16)[..., None]


def _to_srgb(picture: Image.Image) -> tuple[Image.Image, str]:
    """Convert by the embedded profile, as littleCMS does. Returns a note, empty for sRGB."""
    profile = picture.info.get("icc_profile")
    if not profile:
        return picture, ""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        about = ImageCms.getProfileDescription(source).strip()
        if "srgb" in about.lower() or source.profile.xcolor_space.strip() not in ("RGB", "GRAY"):
            return picture, ""
        alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
        opaque = picture.convert("RGB") if alpha is not None else picture
        if (source.profile.xcolor_space.strip() == "GRAY") != (opaque.mode == "L"):
            return picture, f"profile {about} does not fit its channels, ignored"
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(opaque, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        return picture, f"its profile cannot be read, ignored ({error})"
    assert converted is not None
    result = converted.convert("L") if picture.mode == "L" else converted
    if alpha is not None:
        result.putalpha(alpha)
    return result, f"converted from {about} to sRGB"


def _turned(picture: Picture, header: Image.Image) -> Picture:
    """Turn a picture upright by its EXIF orientation (2 to 8)."""
    orientation = header.getexif().get(ORIENTATION, 1)
    if orientation not in range(2, 9):
        return picture
    turned = _transpose(picture.pixels, orientation)
    return replace(picture, pixels=turned, notes=(*picture.notes, "turned upright"))


def _transpose(pixels: Any, orientation: int) -> Pixels:
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    turned: Pixels = np.ascontiguousarray(pixels[::rows, ::columns])
    return turned
