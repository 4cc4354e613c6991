# SPDX-License-Identifier: Apache-2.0
"""Writes MaterialX 1.39: OpenPBR and the Autodesk standard surface over the same images.

Source: the MaterialX specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import MaterialX as Mx

from texgen.export.texture_set import TextureSet

SHADERS = {
    "open_pbr_surface": {
        "basecolor": "base_color",
        "metallic": "base_metalness",
        "roughness": "specular_roughness",
        "normal": "geometry_normal",
    },
    "standard_surface": {
        "basecolor": "base_color",
        "metallic": "metalness",
        "roughness": "specular_roughness",
        "normal": "normal",
    },
}
TYPES = {"basecolor": "color3", "normal": "vector3"}


def write(
    textures: TextureSet, names: Mapping[str, str], _files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Write ``<stem>.mtlx`` with two materials, ``<stem>_open_pbr_surface`` and
    ``<stem>_standard_surface``.
    """
    document = Mx.createDocument()
    document.setColorSpace("lin_rec709")
    notes = {
        "licence of the textures": textures.sidecar.get("output_licence"),
        "recipe": textures.sidecar.get("recipe"),
    }
    document.setDocString(
        "; ".join(["texgen", *(f"{key}: {value}" for key, value in notes.items() if value)])
    )
    stem = Mx.createValidName(textures.stem)
    graph = document.addNodeGraph(f"{stem}_maps")
    outputs: dict[str, tuple[str, str]] = {}
    for what in ("basecolor", "metallic", "roughness", "normal", "height"):
        if what in names:
            outputs[what] = _image(graph, what, names[what], textures.tile_m)
    for category, inputs in SHADERS.items():
        _material(
            document,
            graph,
            f"{stem}_{category}",
            category,
            {what: inputs[what] for what in outputs if what in inputs},
            outputs,
        )
    if "height" in outputs and textures.height_m > 0.0:
        _displacement(document, graph, stem, textures.height_m)
    text: str = Mx.writeToXmlString(document)
    return {f"{textures.stem}.mtlx": text.encode()}


def _image(graph: Any, what: str, file: str, tile_m: float) -> tuple[str, str]:
    """Add an image to the graph and return the name and the type of its output."""
    kind = TYPES.get(what, "float")
    image = graph.addNode("tiledimage", f"{what}_image", kind)
    image.setInputValue("file", file, "filename")
    if what == "basecolor":
        image.getInput("file").setColorSpace("srgb_texture")
    size = Mx.Vector2(tile_m, tile_m)
    image.setInputValue("realworldimagesize", size)
    image.setInputValue("realworldtilesize", size)
    node = image
    if what == "normal":
        node = graph.addNode("normalmap", "normal_map", "vector3")
        node.addInput("in", "vector3").setNodeName(image.getName())
    output = graph.addOutput(f"{what}_out", kind)
    output.setNodeName(node.getName())
    return output.getName(), kind


def _material(
    document: Any,
    graph: Any,
    name: str,
    category: str,
    inputs: Mapping[str, str],
    outputs: Mapping[str, tuple[str, str]],
) -> None:
    shader = document.addNode(category, f"{name}_shader", "surfaceshader")
    for what, input_name in inputs.items():
        output, kind = outputs[what]
        socket = shader.addInput(input_name, kind)
        socket.setNodeGraphString(graph.getName())
        socket.setOutputString(output)
    document.addMaterialNode(name, shader)


def _displacement(document: Any, graph: Any, stem: str, height_m: float) -> None:
    """Add a displacement to both materials; the middle of the height lies in the surface."""
    centred = graph.addNode("subtract", "height_centred", "float")
    centred.addInput("in1", "float").setNodeName("height_image")
    centred.setInputValue("in2", 0.5)
    graph.addOutput("displacement_out", "float").setNodeName("height_centred")
    node = document.addNode("displacement", f"{stem}_displacement", "displacementshader")
    socket = node.addInput("displacement", "float")
    socket.setNodeGraphString(graph.getName())
    socket.setOutputString("displacement_out")
    node.setInputValue("scale", height_m)
    for category in SHADERS:
        material = document.getNode(f"{stem}_{category}")
        material.addInput("displacementshader", "displacementshader").setNodeName(node.getName())
