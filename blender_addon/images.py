# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts between maps and Blender images.

Only images made by this add-on are changed or removed.
"""

import re
import struct
import zlib
from pathlib import Path

import bpy
import numpy as np

from texgen.errors import TexgenError
from texgen.maps import ColorSpace, Encoding

from . import frame_times, jobs

MARK = "texgen_recipe"
FOLDER = "textures"


def load_steps(name, packed, recipe, *, beside=False):
    """Load a PNG or EXR file from memory as an image, in steps: packed, or written beside the saved
    .blend. Returns the image.

    Files are written in the worker thread, since disks may be slow; this generator yields messages
    until they are. Raises ValueError.
    """
    path = None
    if beside and bpy.data.filepath:
        path = yield from _written(Path(bpy.path.abspath("//")) / FOLDER, name, packed)
    with frame_times.blender_work():
        image = bpy.data.images.new(name, 8, 8)
        if path is not None:
            image.source = "FILE"
            image.filepath = bpy.path.relpath(str(path))
        else:
            image.pack(data=bytes(packed.data), data_len=len(packed.data))
            image.source = "FILE"
        image.colorspace_settings.is_data = packed.color_space is ColorSpace.DATA
        image[MARK] = recipe
    return image


def _written(folder, name, packed):
    """Write a new file in the worker thread; a generator that returns its path.

    If it is closed early, no file remains.
    """
    wanted = True

    async def write(_call):
        try:
            path = _write(folder, name, packed)
        except OSError as error:
            raise TexgenError(error.strerror) from error
        if not wanted:
            path.unlink(missing_ok=True)
        return path

    call = jobs.board.transport.start(write)
    try:
        while call.outcome.empty():
            yield f"Writing {name}"
    except GeneratorExit:
        wanted = False
        if not call.outcome.empty() and (done := call.outcome.get())[0] == "done":
            done[1].unlink(missing_ok=True)
        raise
    kind, value = call.outcome.get()
    if kind != "done":
        raise ValueError(f"{name} could not be written into {folder}: {value or kind}")
    return value


def _write(folder, name, packed):
    """Write a file under a name that does not exist yet."""
    folder.mkdir(exist_ok=True)
    stem, suffix = (
        re.sub(r"[^\w.-]+", "_", name),
        "exr" if packed.encoding is Encoding.EXR else "png",
    )
    number = 0
    while True:
        path = folder / (f"{stem}.{suffix}" if number == 0 else f"{stem}_{number:03d}.{suffix}")
        try:
            with path.open("xb") as file:  # never over a file that is there
                file.write(packed.data)
        except FileExistsError:
            number += 1
            continue
        return path


def discard_new(made):
    """Remove images that were just made, and the files written for them."""
    for image in made:
        if image.packed_file is None and image.filepath:
            Path(bpy.path.abspath(image.filepath)).unlink(missing_ok=True)
    remove(made)


def remove(found):
    """Remove those of the images that texgen made and nobody uses any more."""
    with frame_times.blender_work():
        for image in found:
            if MARK in image and image.users == 0:
                bpy.data.images.remove(image)


def blank(name, width, height, *, is_data):
    """Create a small image to paint previews into."""
    image = bpy.data.images.new(name, width, height)
    image.colorspace_settings.is_data = is_data
    image[MARK] = ""
    return image


def paint(image, packed):
    """Copy RAW samples into an image of the same size."""
    pixels = rgba(packed)
    with frame_times.blender_work():
        image.pixels.foreach_set(pixels)
        image.update()


def rgba(packed):
    """Convert RAW samples to Blender's layout: a flat float32 array, rows from the bottom, four
    values per pixel in [0, 1]. Runs while a slider is dragged, so it takes one pass.
    """
    shape, kind = (packed.height_px, packed.width_px, packed.channels), np.dtype(packed.dtype)
    samples = np.frombuffer(packed.data, kind).reshape(shape)[::-1]
    filled = np.empty((*shape[:2], 4), np.float32)
    np.divide(samples, np.float32(np.iinfo(kind).max), out=filled[..., :3])
    filled[..., 3] = 1.0
    return filled.ravel()


def file_of(image):
    """Return the bytes of an image's file, packed or on disk.

    Raises ValueError if there is none.
    """
    if image.packed_file is not None:
        return bytes(image.packed_file.data)
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    if not image.filepath or not path.is_file():
        raise ValueError(f"{image.name} has no file: save or pack it first (Image > Pack)")
    return path.read_bytes()


def grey_png(image):
    """Encode an image's first channel as an 8-bit greyscale PNG, for masks.

    The same pixels give the same bytes. Raises ValueError.
    """
    grey = samples(image, 1)[..., 0]
    grey = (grey >> 8).astype(np.uint8) if grey.dtype == np.uint16 else grey
    height, width = grey.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = grey
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts
    )


def samples(image, channels):
    """Read an image as (H, W, channels) uint8, or uint16 if it is deeper, rows from the top.

    Raises ValueError if it has no pixels.
    """
    width, height = image.size
    if not width or not height:
        raise ValueError(
            f"{image.name} has no pixels: its file is missing; find it (File > External Data), "
            f"or choose another image"
        )
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(height, width, image.channels)[::-1, :, :channels]
    if pixels.shape[2] < channels:
        pixels = np.repeat(pixels[..., :1], channels, 2)
    top, kind = (
        (65535.0, np.uint16)
        if image.is_float or image.depth // max(1, image.channels) > 8
        else (255.0, np.uint8)
    )
    return np.ascontiguousarray(np.round(np.clip(pixels, 0.0, 1.0) * top).astype(kind))
