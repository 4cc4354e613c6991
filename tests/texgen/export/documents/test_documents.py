# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from tests.texgen.export.sets import STEM, packed


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
