# SPDX-License-Identifier: Apache-2.0
"""Pictures of every common kind, and those that nobody should send."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from texgen.errors import InvalidRequestError
from texgen.files.images import encode_png
from texgen.inputs.pictures import read_picture

RNG = np.random.default_rng(1)
GREY = RNG.integers(0, 256, (6, 4), np.uint8)
RGB = RNG.integers(0, 256, (6, 4, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (6, 4, 3)).astype(np.uint16)


def saved(image, container, **options):
    buffer = io.BytesIO()
    image.save(buffer, container, **options)
    return buffer.getvalue()


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width, height, depth, kind, rows, *extra):
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(extra) + data


def oiio_bytes(tmp_path, name, samples, kind, **attributes):
    oiio = pytest.importorskip("OpenImageIO")
    path = str(tmp_path / name)
    height, width, channels = samples.shape
    spec = oiio.ImageSpec(width, height, channels, kind)
    for key, value in attributes.items():
        spec.attribute(key.replace("__", ":"), value)
    output = oiio.ImageOutput.create(path)
    assert output.open(path, spec)
    assert output.write_image(samples)
    output.close()
    return (tmp_path / name).read_bytes()


@pytest.mark.parametrize(
    ("container", "name"),
    [("PNG", "a.png"), ("TIFF", "a.tif"), ("BMP", "a.bmp"), ("TGA", "a.tga")],
)
def test_lossless_containers_give_their_samples(container, name):
    found = read_picture(saved(Image.fromarray(RGB), container), name, colour=True)
    assert np.array_equal(found.pixels, RGB)
    assert found.notes == ()


@pytest.mark.parametrize("container", ["WEBP", "AVIF"])
def test_lossless_webp_and_avif(container):
    data = saved(Image.fromarray(RGB), container, lossless=True, quality=100)
    assert read_picture(data, "a", colour=True).pixels.shape == (6, 4, 3)


def test_content_decides_not_the_name():
    data = saved(Image.fromarray(RGB), "PNG")
    assert np.array_equal(read_picture(data, "a.jpg", colour=True).pixels, RGB)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(RGB), "PNG", exif=exif)
    found = read_picture(data, "a.png", colour=False)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert np.array_equal(found.pixels, np.asarray(upright))
    assert ("turned upright" in found.notes) == (orientation > 1)


def test_a_jpeg_of_60_by_40_with_orientation_6_is_40_by_60():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.new("RGB", (60, 40)), "JPEG", exif=exif)
    assert read_picture(data, "a.jpg", colour=True).pixels.shape == (60, 40, 3)


def profile(gamma):
    """A profile with sRGB's primaries and another transfer curve."""
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    position = bytes(made).index(b"para", 128 + 4 + 12 * struct.unpack(">I", made[128:132])[0])
    kind = struct.unpack(">H", made[position + 8 : position + 10])[0]
    assert kind == 3
    values = (gamma, 1.0, 0.0, 0.0, 0.0)
    made[position + 12 : position + 32] = struct.pack(">5i", *(round(v * 65536) for v in values))
    return bytes(made).replace(b"s\0R\0G\0B", b"w\0i\0d\0e")


def test_colour_with_a_profile_becomes_srgb_as_littlecms_does():
    icc = profile(1.2)
    data = saved(Image.fromarray(RGB), "PNG", icc_profile=icc)
    found = read_picture(data, "a.png", colour=True)
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    expected = ImageCms.profileToProfile(
        Image.fromarray(RGB), source, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert np.array_equal(found.pixels, np.asarray(expected))
    assert not np.array_equal(found.pixels, RGB)
    assert "to sRGB" in found.notes[0]


def test_data_with_a_profile_stays_untouched():
    data = saved(Image.fromarray(RGB), "PNG", icc_profile=profile(1.2))
    found = read_picture(data, "a_normal.png", colour=False)
    assert np.array_equal(found.pixels, RGB)
    assert found.notes == ()


def test_an_srgb_profile_changes_nothing():
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = read_picture(saved(Image.fromarray(RGB), "PNG", icc_profile=icc), "a", colour=True)
    assert np.array_equal(found.pixels, RGB)


def test_grey_with_alpha_keeps_its_alpha_as_colour():
    alpha = RNG.integers(0, 256, (6, 4), np.uint8)
    image = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)])
    found = read_picture(saved(image, "PNG"), "a.png", colour=True).pixels
    assert np.array_equal(found, np.stack([GREY, GREY, GREY, alpha], -1))
    data = read_picture(saved(image, "PNG"), "a_roughness.png", colour=False)
    assert np.array_equal(data.pixels[..., 0], GREY)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_few_bits_are_scaled_to_their_whole_range(depth):
    values = np.arange(8) % (1 << depth)
    packed = np.zeros(8 * depth, np.uint8)
    for bit in range(depth):
        packed[bit::depth] = values >> (depth - 1 - bit) & 1
    data = png(8, 1, depth, 0, b"\0" + np.packbits(packed).tobytes())
    found = read_picture(data, "a.png", colour=False).pixels
    assert np.array_equal(found[0, :, 0], values * 255 // ((1 << depth) - 1))


def test_sixteen_bits_are_kept():
    grey = encode_png(DEEP[..., :1], srgb=False)
    assert np.array_equal(read_picture(grey, "a.png", colour=False).pixels, DEEP[..., :1])
    big_endian = saved(Image.fromarray(DEEP[..., 0].astype(">u2")), "TIFF")
    assert np.array_equal(
        read_picture(big_endian, "a.tif", colour=False).pixels[..., 0], DEEP[..., 0]
    )


def test_sixteen_bits_in_several_channels_are_kept(tmp_path):
    pytest.importorskip("OpenImageIO")
    data = encode_png(DEEP, srgb=True)
    assert np.array_equal(read_picture(data, "a.png", colour=True).pixels, DEEP)
    tiff = oiio_bytes(tmp_path, "a.tif", DEEP, "uint16", tiff__bigendian=1)
    assert np.array_equal(read_picture(tiff, "a.tif", colour=True).pixels, DEEP)


@pytest.mark.parametrize("name", ["a.exr", "a.tif"])
def test_floats_are_scaled_right(tmp_path, name):
    values = RNG.random((6, 4, 1)).astype(np.float32)
    data = oiio_bytes(tmp_path, name, values, "float")
    found = read_picture(data, f"x_height{name[1:]}", colour=False).pixels
    assert found.dtype == np.uint16
    assert np.abs(found / 65535.0 - values).max() < 1e-4


def test_heights_beyond_one_are_scaled_and_told(tmp_path):
    values = np.linspace(-3.0, 5.0, 24, dtype=np.float32).reshape(6, 4, 1)
    found = read_picture(oiio_bytes(tmp_path, "a.exr", values, "float"), "a.exr", colour=False)
    assert (found.pixels.min(), found.pixels.max()) == (0, 65535)
    assert "scaled from -3 to 5" in found.notes[0]


@pytest.mark.parametrize("name", ["a.exr", "a.hdr"])
def test_linear_colour_becomes_srgb(tmp_path, name):
    values = np.full((6, 4, 3), 0.2140411, np.float32)  # sRGB 0.5
    found = read_picture(oiio_bytes(tmp_path, name, values, "float"), name, colour=True)
    assert np.abs(found.pixels / 65535.0 - 0.5).max() < 2e-3
    assert "linear light" in found.notes[0]


def test_jpeg_xl_is_read(tmp_path):
    data = oiio_bytes(tmp_path, "a.jxl", RGB, "uint8")
    assert read_picture(data, "a.jxl", colour=True).pixels.shape == (6, 4, 3)


def test_palettes_are_colours_and_no_data():
    image = Image.fromarray(RGB).quantize(8)
    found = read_picture(saved(image, "PNG"), "a.png", colour=True)
    assert np.array_equal(found.pixels, np.asarray(image.convert("RGB")))
    with pytest.raises(InvalidRequestError, match="palette"):
        read_picture(saved(image, "PNG"), "a_roughness.png", colour=False)


def test_the_first_picture_of_an_mpo_is_read():
    first, second = Image.fromarray(RGB), Image.fromarray(RGB[::-1])
    data = saved(first, "MPO", save_all=True, append_images=[second])
    assert read_picture(data, "a.jpg", colour=True).pixels.shape == (6, 4, 3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello", "none of PNG"),
        (b"8BPS" + bytes(60), "Photoshop"),
        (b"\xabKTX 20\xbb\r\n\x1a\n" + bytes(80), "KTX2"),
        (saved(Image.new("CMYK", (4, 4)), "JPEG"), "print"),
        (saved(Image.fromarray(RGB), "PNG")[:60], "truncated or damaged"),
        (saved(Image.fromarray(RGB), "TIFF")[:40], "damaged"),
        (
            saved(
                Image.new("L", (4, 4)),
                "GIF",
                save_all=True,
                append_images=[Image.new("L", (4, 4), 9)],
            ),
            "animated",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(data, words):
    with pytest.raises(InvalidRequestError, match=words) as refused:
        read_picture(data, "a.file", colour=True)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("container", ["PNG", "TIFF", "WEBP", "BMP", "JPEG"])
def test_every_truncation_and_damage_is_refused_or_read(container):
    whole = saved(Image.fromarray(np.kron(RGB, np.ones((8, 8, 1), np.uint8))), container)
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x5A
        for data in (whole[:at], bytes(damaged)):
            try:
                read_picture(data, "a", colour=True)
            except InvalidRequestError as error:
                assert str(error)


def test_the_size_in_the_header_is_checked_before_anything_is_decoded():
    rows = b""
    data = png(200_000, 200_000, 8, 2, rows)
    with pytest.raises(InvalidRequestError, match="200000 x 200000 px: at most"):
        read_picture(data, "a.png", colour=True)


def test_a_second_header_does_not_pass_another_size():
    second = chunk(b"IHDR", struct.pack(">IIBBBBB", 13_000, 13_000, 8, 0, 0, 0, 0))
    data = png(64, 64, 8, 0, bytes(65 * 64), second)
    with pytest.raises(InvalidRequestError):
        read_picture(data, "a.png", colour=False, max_pixels=64 * 64)


def test_large_pictures_are_read_without_a_warning():
    data = png(14_000, 14_000, 1, 0, bytes((1 + 14_000 // 8) * 14_000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_picture(data, "a.png", colour=False).pixels.shape == (14_000, 14_000, 1)
