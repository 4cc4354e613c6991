# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from tests.texgen.export.sets import STEM, textures
from texgen.cli import main
from texgen.files.images import decode_png, encode_png
from texgen.maps import MAP_SPECS, MapKind


def test_a_folder_goes_to_unreal_and_back_without_loss(tmp_path, capsys):
    made = textures()
    source, there, back = tmp_path / "source", tmp_path / "there", tmp_path / "back"
    source.mkdir()
    for kind, pixels in made.maps.items():
        data = encode_png(pixels, srgb=kind is MapKind.BASECOLOR)
        (source / f"{STEM}{MAP_SPECS[kind].suffix}.png").write_bytes(data)
    (source / f"{STEM}.json").write_text(json.dumps(dict(made.sidecar)))
    assert main(["export", str(source), "--preset", "unity-urp", "--out", str(there)]) == 0
    sidecar = json.loads((there / f"{STEM}.json").read_text())
    assert sidecar["preset"] == "unity-urp" and sidecar["recipe"] == "tg1:x"
    assert main(["export", str(source), "--preset", "blender", "--out", str(back)]) == 0
    for kind, pixels in made.maps.items():
        assert np.array_equal(
            decode_png((back / f"{STEM}{MAP_SPECS[kind].suffix}.png").read_bytes()), pixels
        ), kind
    assert main(["export", str(source), "--preset", "unreal", "--out", str(there / "unreal")]) == 0
    assert main(["export", str(source), "--preset", "unity-urp", "--out", str(there)]) == 9
    assert "exists already" in capsys.readouterr().err
    with Image.open(there / f"{STEM}_BaseMap.png") as picture:
        assert picture.text["texgen:recipe"] == "tg1:x"
