# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from texgen.errors import InvalidRequestError
from texgen.files.images import (
    decode,
    decode_png,
    encode,
    encode_png,
    linear_to_srgb,
    srgb_to_linear,
)
from texgen.maps import ColorSpace, Encoding, MapKind, PackedMap


@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 1), ("uint8", 3), ("uint16", 1)])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 96)])
def test_png_is_read_back_by_another_library(rng, dtype, channels, size):
    pixels = rng.integers(0, np.iinfo(dtype).max, (*size, channels), endpoint=True).astype(dtype)
    data = encode_png(pixels, srgb=channels == 3, text={"texgen:recipe": "tg1:x"})
    assert np.array_equal(decode_png(data), pixels)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.text["texgen:recipe"] == "tg1:x"
    assert encode_png(pixels, srgb=channels == 3, text={"texgen:recipe": "tg1:x"}) == data


def test_png_of_16_bit_colour_is_valid(rng):
    pixels = rng.integers(0, 65535, (8, 8, 3), endpoint=True).astype(np.uint16)
    with Image.open(io.BytesIO(encode_png(pixels, srgb=False))) as image:
        image.load()
        assert image.size == (8, 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_exr_holds_linear_half_floats(rng, channels):
    pytest.importorskip("OpenEXR")
    pixels = rng.integers(0, 255, (16, 24, channels), endpoint=True).astype(np.uint8)
    space = ColorSpace.SRGB if channels == 3 else ColorSpace.DATA
    data = encode(pixels, Encoding.EXR, space)
    back = decode(
        PackedMap(
            MapKind.BASECOLOR, 24, 16, channels, "float16", Encoding.EXR, ColorSpace.LINEAR, data
        )
    )
    unit = pixels.astype(np.float32) / 255
    expected = srgb_to_linear(unit) if channels == 3 else unit
    assert np.abs(back.astype(np.float32) - expected).max() < 1e-3


def test_raw_is_little_endian_rows():
    pixels = np.array([[[1], [256]]], np.uint16)
    data = encode(pixels, Encoding.RAW, ColorSpace.DATA)
    assert data == b"\x01\x00\x00\x01"
    packed = PackedMap(MapKind.HEIGHT, 2, 1, 1, "uint16", Encoding.RAW, ColorSpace.DATA, data)
    assert np.array_equal(decode(packed), pixels)


def test_a_header_that_lies_is_refused():
    packed = PackedMap(MapKind.HEIGHT, 4, 4, 1, "uint16", Encoding.RAW, ColorSpace.DATA, b"1234")
    with pytest.raises(InvalidRequestError, match="instead of"):
        decode(packed)
    bomb = PackedMap(MapKind.HEIGHT, 10**6, 10**6, 1, "uint16", Encoding.PNG, ColorSpace.DATA, b"")
    with pytest.raises(InvalidRequestError, match="more than"):
        decode(bomb)


def test_srgb_there_and_back():
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.abs(linear_to_srgb(srgb_to_linear(values)) - values).max() < 1e-5
