# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from texgen.errors import InvalidRequestError
from texgen.files.picture import check_writable, decodes, picture_bytes
from texgen.inputs.pictures import read_picture_file

LOSSLESS = [
    (".png", 1, np.uint8),
    (".png", 4, np.uint8),
    (".png", 1, np.uint16),
    (".tif", 3, np.uint8),
    (".webp", 3, np.uint8),
]


@pytest.mark.parametrize(("suffix", "channels", "dtype"), LOSSLESS)
def test_what_is_written_is_read_again(tmp_path, rng, suffix, channels, dtype):
    pixels = rng.integers(0, np.iinfo(dtype).max, (9, 7, channels), dtype)
    path = tmp_path / f"map{suffix}"
    path.write_bytes(picture_bytes(pixels, path, srgb=channels > 1))
    found = read_picture_file(path)
    assert found.path == path
    assert np.array_equal(found.pixels, pixels)
    check_writable(found)


def test_a_palette_becomes_rgb(tmp_path):
    path = tmp_path / "palette.png"
    Image.new("P", (4, 4)).save(path)
    assert read_picture_file(path).pixels.shape == (4, 4, 3)


def test_what_is_no_picture_is_refused(tmp_path):
    path = tmp_path / "map.png"
    path.write_bytes(b"no picture")
    with pytest.raises(InvalidRequestError, match="none of PNG"):
        read_picture_file(path)
    with pytest.raises(InvalidRequestError, match="No such file"):
        read_picture_file(tmp_path / "absent.png")


def test_cmyk_is_refused(tmp_path):
    path = tmp_path / "print.jpg"
    Image.new("CMYK", (8, 8)).save(path)
    with pytest.raises(InvalidRequestError, match="CMYK, colours for print: save it as RGB"):
        read_picture_file(path)


def test_a_truncated_picture_does_not_decode(rng):
    buffer = io.BytesIO()
    pixels = rng.integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    assert decodes(buffer.getvalue())
    assert not decodes(buffer.getvalue()[:-200])
    assert not decodes(b"no picture")
