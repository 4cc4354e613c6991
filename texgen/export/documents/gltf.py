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
    document = _GlbDocument(str(textures.sidecar.get("output_licence", "")))
    gltf = document.gltf
    if recipe := textures.sidecar.get("recipe"):
        gltf.asset.extras = {"texgen:recipe": recipe}
    ball = _add_ball(document)
    gltf.samplers = [
        gl.Sampler(
            magFilter=gl.LINEAR, minFilter=gl.LINEAR_MIPMAP_LINEAR, wrapS=gl.REPEAT, wrapT=gl.REPEAT
        )
    ]
    gltf.materials = [_material(document, textures.stem, names, files)]
    gltf.meshes = [gl.Mesh(primitives=[ball], name=textures.stem)]
    gltf.nodes = [gl.Node(mesh=0, name=textures.stem)]
    gltf.scenes, gltf.scene = [gl.Scene(nodes=[0])], 0
    return {f"{textures.stem}.glb": document.to_bytes()}


class _GlbDocument:
    """A glTF document with its binary buffer."""

    def __init__(self, licence: str) -> None:
        self.gltf = gl.GLTF2(
            asset=gl.Asset(version="2.0", generator="texgen", copyright=licence or None)
        )
        self._buffer = bytearray()

    def add_view(self, data: bytes, target: int | None = None) -> int:
        """Append data to the buffer, aligned to 4 bytes, and return the number of its view."""
        self._buffer.extend(b"\0" * (-len(self._buffer) % 4))
        self.gltf.bufferViews.append(
            gl.BufferView(
                buffer=0, byteOffset=len(self._buffer), byteLength=len(data), target=target
            )
        )
        self._buffer.extend(data)
        return len(self.gltf.bufferViews) - 1

    def add_values(
        self, values: NDArray[np.generic], kind: str, target: int, *, bounds: bool = False
    ) -> int:
        """Append an array and return the number of its accessor."""
        view = self.add_view(values.tobytes(), target)
        flat = values.reshape(len(values), -1)
        component = gl.UNSIGNED_SHORT if values.dtype == np.uint16 else gl.FLOAT
        limits = {"min": flat.min(0).tolist(), "max": flat.max(0).tolist()} if bounds else {}
        self.gltf.accessors.append(
            gl.Accessor(
                bufferView=view,
                componentType=component,
                count=len(values),
                type=kind,
                byteOffset=None,
                **limits,
            )
        )
        return len(self.gltf.accessors) - 1

    def add_texture(self, name: str, data: bytes) -> int:
        """Append a PNG or KTX2 file and return the number of its texture."""
        basis = name.endswith(".ktx2")
        mime = "image/ktx2" if basis else "image/png"
        self.gltf.images.append(gl.Image(bufferView=self.add_view(data), mimeType=mime, name=name))
        source = len(self.gltf.images) - 1
        if basis:
            self.gltf.extensionsUsed = self.gltf.extensionsRequired = [BASIS]
            texture = gl.Texture(sampler=0, extensions={BASIS: {"source": source}})
        else:
            texture = gl.Texture(source=source, sampler=0)
        self.gltf.textures.append(texture)
        return len(self.gltf.textures) - 1

    def to_bytes(self) -> bytes:
        """Return the content of the .glb file."""
        self.gltf.buffers = [gl.Buffer(byteLength=len(self._buffer))]
        self.gltf.set_binary_blob(bytes(self._buffer))
        return b"".join(self.gltf.save_to_bytes())


def _add_ball(document: _GlbDocument) -> gl.Primitive:
    """Append the geometry of the ball and return it with material 0."""
    position, normal, tangent, uv, indices = _ball()
    attributes = gl.Attributes(
        POSITION=document.add_values(position, "VEC3", gl.ARRAY_BUFFER, bounds=True),
        NORMAL=document.add_values(normal, "VEC3", gl.ARRAY_BUFFER),
        TANGENT=document.add_values(tangent, "VEC4", gl.ARRAY_BUFFER),
        TEXCOORD_0=document.add_values(uv, "VEC2", gl.ARRAY_BUFFER),
    )
    faces = document.add_values(indices, "SCALAR", gl.ELEMENT_ARRAY_BUFFER)
    return gl.Primitive(attributes=attributes, indices=faces, material=0)


def _material(
    document: _GlbDocument, stem: str, names: Mapping[str, str], files: Mapping[str, bytes]
) -> gl.Material:
    """Append the textures and return the material that uses them."""
    used = [what for what in ("basecolor", "packed", "normal") if what in names]
    textures = {what: document.add_texture(names[what], files[names[what]]) for what in used}
    surface = gl.PbrMetallicRoughness(
        baseColorFactor=[1.0, 1.0, 1.0, 1.0], metallicFactor=0.0, roughnessFactor=1.0
    )
    material = gl.Material(
        name=stem,
        pbrMetallicRoughness=surface,
        alphaMode=None,
        alphaCutoff=None,
        emissiveFactor=None,
    )
    if "basecolor" in textures:
        surface.baseColorTexture = gl.TextureInfo(index=textures["basecolor"], texCoord=None)
    if "packed" in textures:
        index = textures["packed"]
        surface.metallicFactor = 1.0
        surface.metallicRoughnessTexture = gl.TextureInfo(index=index, texCoord=None)
        material.occlusionTexture = gl.OcclusionTextureInfo(
            index=index, texCoord=None, strength=None
        )
    if "normal" in textures:
        material.normalTexture = gl.NormalMaterialTexture(
            index=textures["normal"], texCoord=None, scale=None
        )
    return material


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
