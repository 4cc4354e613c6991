# SPDX-License-Identifier: Apache-2.0
"""Writes glTF 2.0: a ball with the material, all in one .glb. Source: Khronos glTF 2.0
specification.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pygltflib as gl
from numpy.typing import NDArray

from texgen.export.texture_set import TextureSet

BASIS = "KHR_texture_basisu"
RINGS, SEGMENTS = 48, 96
REPEATS = (4.0, 2.0)
"""Tiles around the ball and from pole to pole: square where they are widest."""


def write(
    textures: TextureSet, names: Mapping[str, str], files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Write ``<stem>.glb``."""
    document = gl.GLTF2(
        asset=gl.Asset(
            version="2.0",
            generator="texgen",
            copyright=str(textures.sidecar.get("output_licence", "")) or None,
        )
    )
    if recipe := textures.sidecar.get("recipe"):
        document.asset.extras = {"texgen:recipe": recipe}
    blob = bytearray()

    def view(data: bytes, target: int | None = None) -> int:
        blob.extend(b"\0" * (-len(blob) % 4))
        document.bufferViews.append(
            gl.BufferView(buffer=0, byteOffset=len(blob), byteLength=len(data), target=target)
        )
        blob.extend(data)
        return len(document.bufferViews) - 1

    position, normal, tangent, uv, indices = _ball()
    attributes = gl.Attributes(
        POSITION=_accessor(
            document, view(position.tobytes(), gl.ARRAY_BUFFER), position, "VEC3", bounds=True
        ),
        NORMAL=_accessor(document, view(normal.tobytes(), gl.ARRAY_BUFFER), normal, "VEC3"),
        TANGENT=_accessor(document, view(tangent.tobytes(), gl.ARRAY_BUFFER), tangent, "VEC4"),
        TEXCOORD_0=_accessor(document, view(uv.tobytes(), gl.ARRAY_BUFFER), uv, "VEC2"),
    )
    where = _accessor(document, view(indices.tobytes(), gl.ELEMENT_ARRAY_BUFFER), indices, "SCALAR")
    document.samplers = [
        gl.Sampler(
            magFilter=gl.LINEAR, minFilter=gl.LINEAR_MIPMAP_LINEAR, wrapS=gl.REPEAT, wrapT=gl.REPEAT
        )
    ]
    document.materials = [
        _material(document, textures, names, lambda what: view(files[names[what]]))
    ]
    document.meshes = [
        gl.Mesh(
            primitives=[gl.Primitive(attributes=attributes, indices=where, material=0)],
            name=textures.stem,
        )
    ]
    document.nodes, document.scenes, document.scene = (
        [gl.Node(mesh=0, name=textures.stem)],
        [gl.Scene(nodes=[0])],
        0,
    )
    document.buffers = [gl.Buffer(byteLength=len(blob))]
    document.set_binary_blob(bytes(blob))
    return {f"{textures.stem}.glb": b"".join(document.save_to_bytes())}


def _material(document: Any, textures: TextureSet, names: Mapping[str, str], view: Any) -> Any:
    def texture(what: str) -> int:
        basis = names[what].endswith(".ktx2")
        document.images.append(
            gl.Image(
                bufferView=view(what),
                mimeType="image/ktx2" if basis else "image/png",
                name=names[what],
            )
        )
        source = len(document.images) - 1
        if basis:
            document.extensionsUsed = document.extensionsRequired = [BASIS]
            document.textures.append(gl.Texture(sampler=0, extensions={BASIS: {"source": source}}))
        else:
            document.textures.append(gl.Texture(source=source, sampler=0))
        return len(document.textures) - 1

    surface = gl.PbrMetallicRoughness(
        baseColorFactor=[1.0, 1.0, 1.0, 1.0], metallicFactor=0.0, roughnessFactor=1.0
    )
    material = gl.Material(
        name=textures.stem,
        pbrMetallicRoughness=surface,
        alphaMode=None,
        alphaCutoff=None,
        emissiveFactor=None,
    )
    if "basecolor" in names:
        surface.baseColorTexture = gl.TextureInfo(index=texture("basecolor"), texCoord=None)
    if "packed" in names:
        packed = texture("packed")
        surface.metallicRoughnessTexture, surface.metallicFactor = (
            gl.TextureInfo(index=packed, texCoord=None),
            1.0,
        )
        material.occlusionTexture = gl.OcclusionTextureInfo(
            index=packed, texCoord=None, strength=None
        )
    if "normal" in names:
        material.normalTexture = gl.NormalMaterialTexture(
            index=texture("normal"), texCoord=None, scale=None
        )
    return material


def _accessor(
    document: Any, view: int, values: NDArray[Any], kind: str, *, bounds: bool = False
) -> int:
    flat = values.reshape(len(values), -1)
    component = gl.UNSIGNED_SHORT if values.dtype == np.uint16 else gl.FLOAT
    limits = {"min": flat.min(0).tolist(), "max": flat.max(0).tolist()} if bounds else {}
    document.accessors.append(
        gl.Accessor(
            bufferView=view,
            componentType=component,
            count=len(values),
            type=kind,
            byteOffset=None,
            **limits,
        )
    )
    return len(document.accessors) - 1


def _ball() -> tuple[NDArray[Any], ...]:
    """Return positions, normals, tangents (x, y, z, handedness), UVs, indices of a
    sphere of 1 m.
    """
    row, column = (
        a.ravel() for a in np.meshgrid(np.arange(RINGS + 1), np.arange(SEGMENTS + 1), indexing="ij")
    )
    down, around = row / RINGS * math.pi, column / SEGMENTS * 2.0 * math.pi
    normal = np.stack(
        [np.sin(down) * np.sin(around), np.cos(down), np.sin(down) * np.cos(around)], 1
    )
    tangent = np.stack(
        [np.cos(around), np.zeros_like(around), -np.sin(around), np.ones_like(around)], 1
    )
    uv = np.stack([column / SEGMENTS * REPEATS[0], row / RINGS * REPEATS[1]], 1)
    first = (np.arange(RINGS)[:, None] * (SEGMENTS + 1) + np.arange(SEGMENTS)).ravel()
    below = first + SEGMENTS + 1
    quads = np.stack([first, below, first + 1, first + 1, below, below + 1], 1)
    valid = np.ones((RINGS, SEGMENTS, 2), bool)
    # at the poles one of the two triangles has no area
    valid[0, :, 0], valid[-1, :, 1] = False, False
    indices = quads.reshape(RINGS, SEGMENTS, 2, 3)[valid].ravel()
    floats = (
        (normal * 0.5).astype(np.float32),
        normal.astype(np.float32),
        tangent.astype(np.float32),
        uv.astype(np.float32),
    )
    return (*floats, indices.astype(np.uint16))
