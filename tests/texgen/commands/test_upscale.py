# SPDX-License-Identifier: Apache-2.0
"""``texgen upscale`` against a real server: names, channels, depth and alpha are kept; what cannot
be is refused.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from texgen.cli import main
from texgen.files.images import encode_png
from texgen.inputs.pictures import read_picture_file

EDGE = 32


@pytest.fixture
def upscale(models, tmp_path):
    def run(source, *more):
        return main(
            [
                "upscale",
                str(source),
                "--out",
                str(tmp_path / "out"),
                "--models",
                str(models),
                "--device",
                "torch",
                *more,
            ]
        )

    return run


@pytest.fixture
def source(tmp_path, rng):
    """A set as somebody has it: JPEG, 16 bits, DirectX, packed channels, a preview beside it."""
    folder = tmp_path / "source"
    folder.mkdir()
    color = rng.integers(0, 256, (EDGE, EDGE, 3), np.uint8)
    Image.fromarray(color).save(folder / "Wood_1K_Color.jpg", quality=95)
    normal = np.full((EDGE, EDGE, 3), (128, 160, 250), np.uint16) * 257
    (folder / "Wood_1K_NormalDX.png").write_bytes(encode_png(normal, srgb=False))
    height = rng.integers(0, 65536, (EDGE, EDGE, 1)).astype(np.uint16)
    (folder / "Wood_1K_Displacement.png").write_bytes(encode_png(height, srgb=False))
    Image.fromarray(
        np.stack([color[..., 0], np.full_like(color[..., 0], 200), color[..., 2]], -1)
    ).save(folder / "Wood_1K_ARM.png")
    Image.fromarray(color[..., :2].repeat(2, -1)).save(folder / "Wood_1K_Gloss.png")
    Image.fromarray(color).save(folder / "wood_preview.png")
    return folder


def test_a_folder_keeps_names_channels_and_depth(upscale, source, tmp_path, capsys):
    assert upscale(source, "--scale", "2") == 0
    made = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert made == sorted(p.name for p in source.iterdir() if "preview" not in p.name)
    assert len(capsys.readouterr().out.splitlines()) == len(made)
    for name in made:
        before, after = (
            read_picture_file(source / name).pixels,
            read_picture_file(tmp_path / "out" / name).pixels,
        )
        assert after.shape == (2 * EDGE, 2 * EDGE, before.shape[2]), name
        assert after.dtype == before.dtype, name
    flat = read_picture_file(tmp_path / "out" / "Wood_1K_NormalDX.png").pixels
    x, y = (flat[..., i].astype(float).mean() / 65535 for i in (0, 1))
    assert x == pytest.approx(128 / 255, abs=0.01)
    assert y == pytest.approx(160 / 255, abs=0.06)
    packed = read_picture_file(tmp_path / "out" / "Wood_1K_ARM.png").pixels.mean((0, 1))
    assert (
        packed[1] - max(packed[0], packed[2]) > 30
    )  # 200 beside noise around 128: each channel is back in its place


def test_a_lone_picture_keeps_its_alpha(upscale, tmp_path, rng):
    path = tmp_path / "leaf.png"
    pixels = rng.integers(0, 256, (EDGE, EDGE, 4), np.uint8)
    pixels[..., 3] = 255 * (np.arange(EDGE) < 16)
    Image.fromarray(pixels).save(path)
    assert upscale(path, "--scale", "4", "--border", "mirror") == 0
    large = read_picture_file(tmp_path / "out" / "leaf.png").pixels
    assert large.shape == (4 * EDGE, 4 * EDGE, 4)
    assert large[:, :40, 3].min() > 195
    assert large[:, 90:, 3].max() < 60


def test_nothing_is_overwritten(upscale, source, tmp_path, capsys):
    assert upscale(source, "--scale", "2") == 0
    assert upscale(source, "--scale", "2") == 9
    assert "exists already" in capsys.readouterr().err
    assert main(["upscale", str(source), "--out", str(source)]) == 2
    assert "where the originals are" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\nrubbish"), "truncated or damaged"),
        (
            lambda p: p.write_bytes(
                encode_png(np.zeros((64, 64, 3), np.uint8) + 9, srgb=True)[:90]
            ),
            "truncated or damaged",
        ),
        (lambda p: p.write_bytes(bomb()), "at most"),
        (lambda p: Image.new("CMYK", (32, 32)).save(p, "TIFF"), "CMYK"),
        (lambda p: None, "neither a folder nor a file"),
    ],
)
def test_bad_pictures_are_refused(upscale, tmp_path, capsys, make, message):
    path = tmp_path / "bad_basecolor.png"
    make(path)
    assert upscale(path) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [
        ("leaf.jpg", "RGBA", "alpha or 16 bits"),
        ("leaf.bmp", "RGB", "files are written as"),
        ("h.webp", "I;16", "16 bits"),
    ],
)
def test_what_could_not_be_written_is_refused_before_the_work(
    upscale, tmp_path, capsys, name, mode, message
):
    Image.new(mode, (EDGE, EDGE)).save(tmp_path / name, "BMP" if name.endswith("bmp") else "PNG")
    assert upscale(tmp_path / name) == 2
    assert message in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_a_picture_too_large_for_its_format_is_no_empty_file():
    from texgen.errors import InvalidRequestError
    from texgen.files.picture import picture_bytes

    with pytest.raises(InvalidRequestError, match=r"cannot be written as \.webp"):
        picture_bytes(np.zeros((1, 16384, 3), np.uint8), Path("wide.webp"), srgb=True)


def test_maps_of_unlike_sizes_are_refused(upscale, source, capsys):
    Image.new("L", (EDGE * 2, EDGE)).save(source / "Wood_1K_AmbientOcclusion.png")
    assert upscale(source, "--json") == 2
    assert (
        "unlike sizes" in json.loads(capsys.readouterr().out.splitlines()[-1])["error"]["message"]
    )


def bomb():
    """A PNG that claims 30000 x 30000 px."""
    data = bytearray(encode_png(np.zeros((1, 1, 1), np.uint8), srgb=False))
    data[16:24] = (30000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)
