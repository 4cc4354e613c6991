# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.texgen.export.sets import STEM, packed, png, textures
from texgen.errors import InvalidRequestError
from texgen.export.packing import pack
from texgen.export.preset import load_preset, preset_names
from texgen.export.texture_set import TextureSet
from texgen.files.images import decode_png
from texgen.maps import MapKind


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_gives_the_same_bytes_twice_and_valid_pictures(name):
    first = packed(name)[1]
    time.sleep(
        2.1 * any(file.endswith(".usdz") for file in first)
    )  # what an archive's clock counts in
    assert first == packed(name)[1]
    for file, data in first.items():
        if file.endswith(".png"):
            assert png(data).shape[:2] == (32, 32), file


def test_unreal_has_its_names_its_channels_and_green_turned():
    maps, files = packed("unreal")
    assert {
        f"T_{STEM}_BC.png",
        f"T_{STEM}_N.png",
        f"T_{STEM}_ORM.png",
        f"T_{STEM}_H.png",
        f"{STEM}_import.txt",
    } == set(files)
    orm = png(files[f"T_{STEM}_ORM.png"])
    for channel, kind in enumerate((MapKind.AO, MapKind.ROUGHNESS, MapKind.METALLIC)):
        assert np.array_equal(orm[..., channel], maps[kind][..., 0])
    normal, gl = png(files[f"T_{STEM}_N.png"]), maps[MapKind.NORMAL]
    assert np.array_equal(normal[..., 1], 255 - gl[..., 1])
    assert np.array_equal(normal[..., [0, 2]], gl[..., [0, 2]])
    assert b"sRGB" in files[f"T_{STEM}_BC.png"] and b"sRGB" not in files[f"T_{STEM}_ORM.png"]
    assert len(np.unique(decode_png(files[f"T_{STEM}_H.png"]))) > 256


def test_the_mask_map_of_unity_has_smoothness_in_alpha():
    maps, files = packed("unity-hdrp")
    mask = png(files[f"{STEM}_MaskMap.png"])
    assert np.array_equal(mask[..., 0], maps[MapKind.METALLIC][..., 0])
    assert np.array_equal(mask[..., 1], maps[MapKind.AO][..., 0])
    assert np.array_equal(mask[..., 3], 255 - maps[MapKind.ROUGHNESS][..., 0])
    assert np.array_equal(png(files[f"{STEM}_Normal.png"]), maps[MapKind.NORMAL])


def test_files_whose_maps_are_missing_are_left_out_and_nothing_at_all_is_refused():
    files = packed("unreal", (MapKind.BASECOLOR, MapKind.NORMAL))[1]
    assert {f for f in files if f.endswith(".png")} == {f"T_{STEM}_BC.png", f"T_{STEM}_N.png"}
    with pytest.raises(InvalidRequestError, match="no file of the preset"):
        pack(textures((MapKind.AO,)), load_preset("unreal"))


def own_preset(folder, head):
    path = folder / "mine.toml"
    files = (("n", '"normal.r", "normal.g", "normal.b"', 8), ("h", '"height"', 16))
    path.write_text(
        head
        + "".join(
            f'[[file]]\nname = "{{stem}}_{n}"\nchannels = [{c}]\nbit_depth = {d}\n'
            for n, c, d in files
        )
    )
    return load_preset(str(path))


def test_a_preset_shrinks_maps_as_what_they_are(tmp_path):
    smooth = textures(edge=64)
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64, 1).astype(np.uint16)
    smooth = TextureSet(STEM, {**smooth.maps, MapKind.HEIGHT: ramp}, smooth.sidecar)
    made = pack(smooth, own_preset(tmp_path, "max_edge_px = 48\n"))
    normal, height = decode_png(made[f"{STEM}_n.png"]), decode_png(made[f"{STEM}_h.png"])
    assert normal.shape == (48, 48, 3) and height.shape == (48, 48, 1)
    assert np.allclose(np.linalg.norm(normal / 127.5 - 1.0, axis=2), 1.0, atol=0.02)
    assert height.dtype == np.uint16 and len(np.unique(height)) > 256
    assert pack(smooth, own_preset(tmp_path, "max_edge_px = 64\n")) == pack(
        smooth, own_preset(tmp_path, "")
    )


def test_padding_is_the_textures_other_side(tmp_path):
    plain = decode_png(pack(textures(), own_preset(tmp_path, ""))[f"{STEM}_h.png"])
    padded = decode_png(pack(textures(), own_preset(tmp_path, "padding_px = 3\n"))[f"{STEM}_h.png"])
    assert padded.shape == (38, 38, 1)
    assert np.array_equal(padded[3:-3, 3:-3], plain)
    assert np.array_equal(padded[:3, 3:-3], plain[-3:]) and np.array_equal(
        padded[3:-3, -3:], plain[:, :3]
    )
