# SPDX-License-Identifier: Apache-2.0
"""Export: every engine's files from a set, checked by the formats' own libraries."""

from __future__ import annotations

import io
import json
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from texgen.cli import main
from texgen.errors import InvalidRequestError
from texgen.export.packing import pack
from texgen.export.preset import load_preset, preset_names
from texgen.export.texture_set import TextureSet
from texgen.files.images import decode_png, encode_png
from texgen.maps import MAP_SPECS, MATERIAL_MAPS, MapKind

STEM = "castle_wall_7"


def textures(kinds=MATERIAL_MAPS, edge=32):
    rng = np.random.default_rng(5)
    maps = {}
    for kind in kinds:
        spec = MAP_SPECS[kind]
        top = 256 if spec.dtype == "uint8" else 65536
        maps[kind] = rng.integers(0, top, (edge, edge, spec.channels)).astype(spec.dtype)
    about = {
        "controls": {"tile_size_m": 2.0},
        "height_range_m": 0.05,
        "output_licence": "CC0-1.0",
        "generator": "texgen",
        "recipe": "tg1:x",
    }
    return TextureSet(STEM, maps, about)


def packed(preset, kinds=MATERIAL_MAPS):
    made = textures(kinds)
    return made.maps, pack(made, load_preset(preset))


def png(data):
    return np.asarray(Image.open(io.BytesIO(data)))


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


def test_materialx_is_valid_and_both_surfaces_read_every_map():
    mx = pytest.importorskip("MaterialX")
    files = packed("materialx")[1]
    document = mx.createDocument()
    mx.readFromXmlString(document, files[f"{STEM}.mtlx"].decode())
    library = mx.createDocument()
    mx.loadLibraries(mx.getDefaultDataLibraryFolders(), mx.getDefaultDataSearchPath(), library)
    document.importLibrary(library)
    valid, message = document.validate()
    assert valid, message
    assert document.getColorSpace() == "lin_rec709"
    for category, inputs in (("open_pbr_surface", 4), ("standard_surface", 4)):
        (shader,) = [n for n in document.getNodes(category) if not n.getSourceUri()]
        assert len([i for i in shader.getInputs() if i.getNodeGraphString()]) == inputs
    images = [
        n
        for n in document.getNodeGraph(f"{STEM}_maps").getNodes()
        if n.getCategory() == "tiledimage"
    ]
    coloured = {n.getName(): n.getInput("file").getColorSpace() for n in images}
    assert {name for name, space in coloured.items() if space == "srgb_texture"} == {
        "basecolor_image"
    }
    assert {n.getInput("file").getValueString() for n in images} <= set(files)
    assert images[0].getInput("realworldtilesize").getValueString() == "2, 2"


def test_usd_is_compliant_repeats_and_says_its_colour_spaces(tmp_path):
    pytest.importorskip("pxr.Usd")
    from pxr import Usd, UsdShade, UsdValidation

    files = packed("usd")[1]
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    registry = UsdValidation.ValidationRegistry()
    context = UsdValidation.ValidationContext(registry.GetOrLoadAllValidators())
    for name in (f"{STEM}.usda", f"{STEM}.usdz"):
        errors = context.Validate(Usd.Stage.Open(str(tmp_path / name)))
        assert not [(e.GetName(), e.GetMessage()) for e in errors], name
    stage = Usd.Stage.Open(str(tmp_path / f"{STEM}.usda"))
    textures_of = [
        UsdShade.Shader(p)
        for p in stage.Traverse()
        if p.GetTypeName() == "Shader" and UsdShade.Shader(p).GetIdAttr().Get() == "UsdUVTexture"
    ]
    assert len(textures_of) == 3
    for shader in textures_of:
        assert shader.GetInput("wrapS").Get() == shader.GetInput("wrapT").Get() == "repeat"
        assert shader.GetInput("sourceColorSpace").Get() == (
            "sRGB" if "basecolor" in str(shader.GetPath()) else "raw"
        )
    assert zipfile.ZipFile(tmp_path / f"{STEM}.usdz").testzip() is None
    assert zipfile.ZipFile(tmp_path / f"{STEM}.usdz").namelist()[0] == f"{STEM}.usda"


def test_the_glb_holds_a_whole_ball_with_one_packed_picture():
    gl = pytest.importorskip("pygltflib")
    files = packed("gltf")[1]
    document = gl.GLTF2.load_from_bytes(files[f"{STEM}.glb"])
    (material,) = document.materials
    surface = material.pbrMetallicRoughness
    assert surface.metallicRoughnessTexture.index == material.occlusionTexture.index
    assert len(document.images) == 3
    view = document.bufferViews[
        document.images[document.textures[surface.baseColorTexture.index].source].bufferView
    ]
    blob = document.binary_blob()
    assert (
        blob[view.byteOffset : view.byteOffset + view.byteLength] == files[f"{STEM}_baseColor.png"]
    )
    accessor = document.accessors[document.meshes[0].primitives[0].attributes.POSITION]
    assert np.allclose(accessor.max, 0.5, atol=1e-3) and np.allclose(accessor.min, -0.5, atol=1e-3)


def test_the_godot_resource_names_its_files():
    files = packed("godot")[1]
    text = files[f"{STEM}.tres"].decode()
    for line in (
        "albedo_texture",
        "orm_texture",
        "normal_texture",
        "normal_enabled = true",
        'type="ORMMaterial3D"',
    ):
        assert line in text
    for name in (f"{STEM}_albedo.png", f"{STEM}_orm.png", f"{STEM}_normal.png"):
        assert f'path="{name}"' in text and name in files


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


def test_maps_of_unlike_sizes_are_refused():
    maps = dict(textures().maps) | {MapKind.AO: np.zeros((16, 16, 1), np.uint8)}
    with pytest.raises(InvalidRequestError, match="differ in size"):
        TextureSet(STEM, maps)


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
