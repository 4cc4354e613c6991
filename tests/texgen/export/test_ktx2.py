# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import struct

import numpy as np
import opengl_basisu
import pytest

from tests.texgen.export.sets import textures
from tests.texgen.provenance.test_watermark import texture
from texgen.errors import InvalidRequestError
from texgen.export.ktx2 import encode_ktx2
from texgen.export.mips import mip_chain
from texgen.export.packing import pack
from texgen.export.preset import load_preset
from texgen.maps import MapKind

ETC1S_MODEL, UASTC_MODEL = 163, 166


LINEAR, SRGB = 1, 2


BASIS_LZ, ZSTD = 1, 2


FLOOR_DB = {"etc1s": 26.0, "uastc": 31.0}


def header(data):
    """Fields of KTX 2.0, section 3."""
    assert data[:12] == b"\xabKTX 20\xbb\r\n\x1a\n"
    names = (
        "vk_format",
        "type_size",
        "width",
        "height",
        "depth",
        "layers",
        "faces",
        "levels",
        "scheme",
        "dfd_at",
        "dfd_bytes",
    )
    fields = dict(zip(names, struct.unpack_from("<11I", data, 12), strict=True))
    fields["model"], fields["primaries"], fields["transfer"], fields["flags"] = data[
        fields["dfd_at"] + 12 : fields["dfd_at"] + 16
    ]
    return fields


def psnr_db(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize(
    ("srgb", "codec"), [(True, "etc1s"), (False, "uastc"), (True, "uastc"), (False, "etc1s")]
)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_files_decode_near_the_original_with_the_right_flags(srgb, codec, channels):
    pixels = texture(2, edge=128, slope=1.5)
    pixels = np.concatenate([pixels, texture(3, edge=128, slope=1.5)[..., :1]], 2)[..., :channels]
    data = encode_ktx2(pixels, srgb=srgb, codec=codec)
    fields = header(data)
    assert (
        fields["vk_format"],
        fields["width"],
        fields["height"],
        fields["faces"],
        fields["levels"],
    ) == (0, 128, 128, 1, 8)
    assert fields["transfer"] == (SRGB if srgb else LINEAR)
    assert (fields["model"], fields["scheme"]) == (
        (ETC1S_MODEL, BASIS_LZ) if codec == "etc1s" else (UASTC_MODEL, ZSTD)
    )
    read = opengl_basisu.open(data)
    assert (read.levels, read.srgb, read.has_alpha) == (8, srgb, channels == 4)
    for level, wanted in enumerate(mip_chain(pixels, srgb=srgb)[:4]):
        got = read.transcode(opengl_basisu.Target.RGBA8, level=level).data[..., :channels]
        assert got.shape == wanted.shape
        assert psnr_db(got, wanted) >= FLOOR_DB[codec], level
    assert encode_ktx2(pixels, srgb=srgb, codec=codec) == data


def test_the_codec_follows_the_colour_space():
    pixels = texture(2, edge=64)
    assert header(encode_ktx2(pixels, srgb=True))["model"] == ETC1S_MODEL
    assert header(encode_ktx2(pixels, srgb=False))["model"] == UASTC_MODEL


def test_sizes_and_presets_that_cannot_be(tmp_path):
    with pytest.raises(InvalidRequestError, match="multiples of 4"):
        encode_ktx2(np.zeros((62, 64, 3), np.uint8), srgb=True)
    preset = tmp_path / "mine.toml"
    for extra, reason in (
        ('bit_depth = 16\nformat = "ktx2"', "8 bits"),
        ('codec = "etc1s"', "goes with format ktx2"),
    ):
        preset.write_text(f'[[file]]\nname = "{{stem}}_h"\nchannels = ["height"]\n{extra}\n')
        with pytest.raises(InvalidRequestError, match=reason):
            load_preset(str(preset))


def test_the_preset_makes_a_ball_of_ktx2(tmp_path):
    import pygltflib

    made = pack(textures(), load_preset("gltf-ktx2"))
    path = tmp_path / "ball.glb"
    path.write_bytes(next(data for name, data in made.items() if name.endswith(".glb")))
    document = pygltflib.GLTF2().load(str(path))
    assert document.extensionsRequired == ["KHR_texture_basisu"]
    sources = [t.extensions["KHR_texture_basisu"]["source"] for t in document.textures]
    assert sorted(sources) == [0, 1, 2]
    blob = document.binary_blob()
    for image in document.images:
        view = document.bufferViews[image.bufferView]
        assert image.mimeType == "image/ktx2"
        assert blob[view.byteOffset : view.byteOffset + view.byteLength] == made[image.name]
    colour = next(data for name, data in made.items() if "baseColor" in name)
    assert (header(colour)["transfer"], header(colour)["model"]) == (SRGB, ETC1S_MODEL)
    normal = opengl_basisu.open(next(data for name, data in made.items() if "normal" in name))
    assert normal.transcode(opengl_basisu.Target.RGBA8).data.shape == (
        *textures().maps[MapKind.NORMAL].shape[:2],
        4,
    )
