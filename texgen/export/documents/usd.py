# SPDX-License-Identifier: Apache-2.0
"""Writes OpenUSD: a material with UsdPreviewSurface, textures beside it.

Source: the UsdPreviewSurface specification.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdShade

from texgen.export.texture_set import TextureSet

INPUTS = {
    "basecolor": ("diffuseColor", "rgb", "sRGB"),
    "normal": ("normal", "rgb", "raw"),
    "roughness": ("roughness", "r", "raw"),
    "metallic": ("metallic", "r", "raw"),
    "ao": ("occlusion", "r", "raw"),
}
KINDS = {"diffuseColor": Sdf.ValueTypeNames.Color3f, "normal": Sdf.ValueTypeNames.Normal3f}
PACKED = (("occlusion", "r"), ("roughness", "g"), ("metallic", "b"))


def write(
    textures: TextureSet, names: Mapping[str, str], _files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Write ``<stem>.usda``."""
    return {f"{textures.stem}.usda": layer(textures, names).encode()}


def layer(textures: TextureSet, names: Mapping[str, str]) -> str:
    """Return the layer as text: a square of the texture's real size with the material on it."""
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdGeom.Xform.Define(stage, f"/{Tf.MakeValidIdentifier(textures.stem)}")
    stage.SetDefaultPrim(root.GetPrim())
    for key, what in (("licence", "output_licence"), ("texgen_recipe", "recipe")):
        if value := textures.sidecar.get(what):
            root.GetPrim().SetCustomDataByKey(key, str(value))
    material = UsdShade.Material.Define(stage, root.GetPath().AppendChild("Material"))
    _shade(stage, material, names)
    square = _square(stage, root.GetPath().AppendChild("Sample"), textures.tile_m)
    UsdShade.MaterialBindingAPI.Apply(square.GetPrim()).Bind(material)
    text: str = stage.GetRootLayer().ExportToString()
    return text


def _shade(stage: Any, material: Any, names: Mapping[str, str]) -> None:
    path = material.GetPath()
    surface = UsdShade.Shader.Define(stage, path.AppendChild("Surface"))
    surface.CreateIdAttr("UsdPreviewSurface")
    material.CreateSurfaceOutput().ConnectToSource(surface.ConnectableAPI(), "surface")
    reader = UsdShade.Shader.Define(stage, path.AppendChild("TexCoords"))
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    reader.CreateOutput("result", Sdf.ValueTypeNames.Float2)
    for what, space, wires in _wires(names):
        shader = _texture(stage, path.AppendChild(f"{what}_texture"), names[what], space, reader)
        if what == "normal":
            shader.CreateInput("scale", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(2, 2, 2, 1))
            shader.CreateInput("bias", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(-1, -1, -1, 0))
        for name, output in wires:
            socket = shader.CreateOutput(
                output, Sdf.ValueTypeNames.Float3 if output == "rgb" else Sdf.ValueTypeNames.Float
            )
            surface.CreateInput(name, KINDS.get(name, Sdf.ValueTypeNames.Float)).ConnectToSource(
                socket
            )


def _wires(names: Mapping[str, str]) -> Iterator[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """Yield content and colour space of each file, and pairs of surface input and
    texture output.
    """
    for what, (name, output, space) in INPUTS.items():
        if what in names:
            yield what, space, ((name, output),)
    if "packed" in names:
        yield "packed", "raw", PACKED


def _texture(stage: Any, path: Any, file: str, space: str, reader: Any) -> Any:
    shader = UsdShade.Shader.Define(stage, path)
    shader.CreateIdAttr("UsdUVTexture")
    shader.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(f"./{file}")
    shader.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(
        reader.ConnectableAPI(), "result"
    )
    shader.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set(space)
    for wrap in ("wrapS", "wrapT"):
        shader.CreateInput(wrap, Sdf.ValueTypeNames.Token).Set("repeat")
    return shader


def _square(stage: Any, path: Any, edge_m: float) -> Any:
    half = edge_m / 2.0
    mesh = UsdGeom.Mesh.Define(stage, path)
    points = [
        Gf.Vec3f(x, 0, z) for x, z in ((-half, half), (half, half), (half, -half), (-half, -half))
    ]
    mesh.CreatePointsAttr(points)
    mesh.CreateFaceVertexCountsAttr([4])
    mesh.CreateFaceVertexIndicesAttr([0, 1, 2, 3])
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateExtentAttr(UsdGeom.Mesh.ComputeExtent(points))
    mesh.CreateNormalsAttr([Gf.Vec3f(0, 1, 0)] * 4)
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    st = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar(
        "st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex
    )
    st.Set([Gf.Vec2f(u, v) for u, v in ((0, 0), (1, 0), (1, 1), (0, 1))])
    return mesh
