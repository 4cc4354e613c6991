# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import io

import numpy as np
import pytest

from tests.texgen.export.sets import STEM, textures
from texgen.errors import InvalidRequestError
from texgen.export.packing import pack
from texgen.export.preset import load_preset
from texgen.maps import MapKind


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tile = 1", "unknown key 'tile'"),
        ('normal = "up"\n[[file]]\nname = "{stem}"\nchannels = ["ao"]', "normal 'up'"),
        ("title = 'empty'", "no \\[\\[file"),
        ('[[file]]\nname = "../{stem}"\nchannels = ["ao"]', "file name"),
        ('[[file]]\nname = "fixed"\nchannels = ["ao"]', "file name"),
        ('[[file]]\nname = "{stem}"\nchannels = ["ao", "ao"]', "1, 3 or 4"),
        ('[[file]]\nname = "{stem}"\nchannels = ["basecolor"]', "need .r"),
        ('[[file]]\nname = "{stem}"\nchannels = ["shine"]', "channel 'shine'"),
        ('[[file]]\nname = "{stem}"\nchannels = [0.5]', "constants alone"),
        ('[[file]]\nname = "{stem}"\nchannels = ["ao"]\nbit_depth = 12', "bit_depth 12"),
        ('max_edge_px = "big"\n[[file]]\nname = "{stem}"\nchannels = ["ao"]', "max_edge_px 'big'"),
        (
            'padding_px = 4\ndocuments = ["gltf"]\n[[file]]\nname = "{stem}"\nchannels = ["ao"]',
            "does not repeat",
        ),
        ("[[file", "not valid TOML"),
    ],
)
def test_a_bad_preset_is_refused_with_its_reason(tmp_path, text, why):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InvalidRequestError, match=why):
        load_preset(str(path))


def test_a_preset_of_ones_own_with_tiff_and_16_bits(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[file]]\nname = "{stem}_c"\nchannels = ["basecolor.r", "1-height", 0.5]\nbit_depth = '
        '16\nformat = "tiff"\n'
    )
    made = textures()
    pixels = tifffile.imread(io.BytesIO(pack(made, load_preset(str(path)))[f"{STEM}_c.tif"]))
    assert pixels.dtype == np.uint16
    assert np.array_equal(
        pixels[..., 0], made.maps[MapKind.BASECOLOR][..., 0].astype(np.uint16) * 257
    )
    assert np.array_equal(pixels[..., 1], 65535 - made.maps[MapKind.HEIGHT][..., 0])
    assert (pixels[..., 2] == 32768).all()


def test_unknown_presets_are_told_which_there_are():
    with pytest.raises(InvalidRequestError, match="unity-hdrp"):
        load_preset("uneral")
    with pytest.raises(InvalidRequestError, match="cannot read"):
        load_preset("nowhere.toml")
