# SPDX-License-Identifier: Apache-2.0
"""Packs a texture set into the files of a preset, in memory.

The same input gives the same bytes on every machine.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from texgen.errors import InvalidRequestError
from texgen.export.documents import write_document
from texgen.export.ktx2 import encode_ktx2
from texgen.export.mips import shrink
from texgen.export.preset import Channel, FileLayout, Preset
from texgen.export.texture_set import TextureSet
from texgen.files.images import encode_exr, encode_png
from texgen.maps import ColorSpace, MapKind, Pixels

EXTENSIONS = {"png": "png", "tiff": "tif", "exr": "exr", "ktx2": "ktx2"}
GREEN = 1
MAX_VALUES = {8: 255, 16: 65535}


def pack(
    textures: TextureSet, preset: Preset, text: Mapping[str, str] | None = None
) -> dict[str, bytes]:
    """Return the contents by file name: the preset's files whose maps all exist, its documents and
    notes.

    ``text`` goes into PNG text chunks. Raises InvalidRequestError where no file can be packed.
    """
    layouts = [layout for layout in preset.files if layout.kinds() <= set(textures.maps)]
    if not layouts:
        have = ", ".join(textures.maps)
        raise InvalidRequestError(
            f"{textures.stem} has {have}: no file of the preset {preset.name} can be made of that",
            "preset",
        )
    textures = limit_size(textures, preset.max_edge_px)
    pictures = {
        layout: _pad(packed_pixels(textures, layout, preset.normal), preset.padding_px)
        for layout in layouts
    }
    files = {
        file_name(layout, textures.stem): _encode(pixels, layout, dict(text or {}))
        for layout, pixels in pictures.items()
    }
    for document in preset.documents:
        files |= write_document(
            document,
            textures,
            {content_name(layout): file_name(layout, textures.stem) for layout in layouts},
            files,
        )
    if preset.notes:
        files[f"{textures.stem}_import.txt"] = (
            preset.notes.replace("{stem}", textures.stem).strip().encode() + b"\n"
        )
    return files


def limit_size(textures: TextureSet, max_edge_px: int) -> TextureSet:
    """Shrink a set to a longest edge (0: no limit), each map filtered by its kind."""
    height, width = textures.size_px
    if not 0 < max_edge_px < max(height, width):
        return textures
    share = max_edge_px / max(height, width)
    rows, columns = max(1, round(height * share)), max(1, round(width * share))
    maps = {
        kind: shrink(
            pixels, rows, columns, srgb=kind is MapKind.BASECOLOR, normal=kind is MapKind.NORMAL
        )
        for kind, pixels in textures.maps.items()
    }
    return replace(textures, maps=maps)


def _pad(pixels: Pixels, padding_px: int) -> Pixels:
    if not padding_px:
        return pixels
    around = (padding_px, padding_px)
    padded: Pixels = np.pad(pixels, (around, around, (0, 0)), "wrap")  # type: ignore[assignment]
    return padded


def file_name(layout: FileLayout, stem: str) -> str:
    """Return the file name of a layout, with its extension."""
    return f"{layout.name.replace('{stem}', stem)}.{EXTENSIONS[layout.format]}"


def content_name(layout: FileLayout) -> str:
    """Return the kind of map that a file holds, or "packed" for several."""
    kinds = {c.kind for c in layout.channels if c.kind is not None}
    return str(next(iter(kinds))) if len(kinds) == 1 else "packed"


def packed_pixels(textures: TextureSet, layout: FileLayout, normal: str) -> Pixels:
    """Return the samples of one file, (H, W, C)."""
    height, width = textures.size_px
    planes = np.empty(
        (height, width, len(layout.channels)), np.uint16 if layout.bit_depth == 16 else np.uint8
    )
    for place, channel in enumerate(layout.channels):
        flipped = channel.kind is MapKind.NORMAL and channel.index == GREEN and normal == "directx"
        planes[..., place] = _plane(
            textures, channel, layout.bit_depth, inverted=channel.inverted != flipped
        )
    return planes


def _plane(textures: TextureSet, channel: Channel, depth: int, *, inverted: bool) -> Pixels | int:
    """Return one channel, (H, W), in the depth of the file."""
    if channel.kind is None:
        return round(channel.constant * MAX_VALUES[depth])
    pixels = textures.maps[channel.kind]
    plane = pixels[..., min(channel.index, pixels.shape[2] - 1)]
    if plane.dtype.itemsize * 8 != depth:
        plane = (
            (plane.astype(np.uint16) * 257)
            if depth == 16
            else ((plane.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        )
    flipped: Pixels = np.invert(plane) if inverted else plane
    return flipped


def _encode(pixels: Pixels, layout: FileLayout, text: dict[str, str]) -> bytes:
    srgb = layout.color_space == "srgb"
    if layout.format == "png":
        return encode_png(pixels, srgb=srgb, text=text)
    if layout.format == "exr":
        return encode_exr(pixels, ColorSpace.SRGB if srgb else ColorSpace.DATA)
    if layout.format == "ktx2":
        normal = (
            all(c.kind is MapKind.NORMAL for c in layout.channels[:3]) and len(layout.channels) >= 3
        )
        return encode_ktx2(pixels, srgb=srgb, normal=normal, codec=layout.codec)
    return _encode_tiff(pixels, text)


def _encode_tiff(pixels: Pixels, text: dict[str, str]) -> bytes:
    try:
        import tifffile
    except ImportError as error:
        raise InvalidRequestError(
            "TIFF needs the tifffile library: pip install 'texgen[export]', or choose png", "preset"
        ) from error
    buffer = io.BytesIO()
    photometric = "minisblack" if pixels.shape[2] == 1 else "rgb"
    samples = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    extra = ["unassalpha"] if pixels.shape[2] == 4 else None
    note = "; ".join(f"{k}={v}" for k, v in text.items()) or None
    tifffile.imwrite(
        buffer,
        samples,
        photometric=photometric,
        compression="zlib",
        predictor=True,
        extrasamples=extra,
        description=note,
        metadata=None,
    )
    return buffer.getvalue()
