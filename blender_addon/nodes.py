# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the nodes of a material: all of texgen's nodes stand in one labelled frame, and only
inputs that are free, or linked to texgen's nodes already, are linked to them.
"""

from dataclasses import dataclass, replace

import bpy

from texgen.maps import MapKind

from . import frame_times

FRAME_LABEL = "TexGen"
LAYOUT_Y = {
    MapKind.BASECOLOR: 600,
    MapKind.AO: 320,
    MapKind.METALLIC: 40,
    MapKind.ROUGHNESS: -240,
    MapKind.NORMAL: -520,
    MapKind.HEIGHT: -800,
}
BOX_BLEND = 0.25
BLEND_SUFFIX = " over"
RELIEFS = {"NORMAL": None, "BOTH": "DISPLACEMENT", "DISPLACED": "BOTH"}
"""Relief setting -> displacement method: normal map alone; normal map and displaced vertices;
displaced vertices with bump for finer detail instead of a normal map.
"""


@dataclass(frozen=True)
class VertexBlend:
    """Another material that is shown where a colour attribute of the mesh is white."""

    layer: str
    images: dict
    """Images of the other material by map kind."""
    tile_m: float = 1.0
    height_m: float = 0.0


@dataclass(frozen=True)
class SurfaceMapping:
    """Says how maps are put on a surface."""

    projection: str = "UV"
    """"UV", or "BOX": from the object's own coordinates, for objects without UVs."""
    relief: str = "BOTH"
    """A key of `RELIEFS`."""
    tile_m: float = 1.0
    """Edge length of a tile in metres, for the box projection."""
    height_m: float = 0.0
    """Height difference between white and black of the height map, in metres."""
    blend: VertexBlend | None = None


def is_texgen_node(node):
    """Return whether texgen made a node."""
    return node.parent is not None and node.parent.label == FRAME_LABEL


def texgen_textures(material):
    """Return texgen's texture nodes of a material by map kind."""
    if material is None or material.node_tree is None:
        return {}
    known = {str(kind): kind for kind in LAYOUT_Y}
    return {
        known[n.label]: n
        for n in material.node_tree.nodes
        if n.type == "TEX_IMAGE" and is_texgen_node(n) and n.label in known
    }


def texgen_images(material):
    """Return the images of texgen's texture nodes of a material."""
    return {node.image for node in texgen_textures(material).values() if node.image is not None}


def current_mapping(material):
    """Read the `SurfaceMapping` from texgen's nodes in a material."""
    found = [n for n in material.node_tree.nodes if is_texgen_node(n)]
    kinds = {n.type for n in found}
    relief = (
        "BOTH"
        if {"NORMAL_MAP", "DISPLACEMENT"} <= kinds
        else "DISPLACED"
        if "DISPLACEMENT" in kinds
        else "NORMAL"
    )
    projection = (
        "BOX" if any(n.type == "TEX_IMAGE" and n.projection == "BOX" for n in found) else "UV"
    )
    scale = next((n.inputs["Scale"].default_value[0] for n in found if n.label == "Scale"), 1.0)
    return SurfaceMapping(projection, relief, 1.0 / (scale or 1.0), height_m(material))


def build(material, images, look):
    """Rebuild texgen's frame and wire it to the material's Principled shader.

    Returns names of inputs that were left as the user had linked them.
    """
    with frame_times.blender_work():
        return _rebuild(material, images, look)


def _rebuild(material, images, look):
    tree = material.node_tree
    placed = _artist_mapping(tree)
    for node in [n for n in tree.nodes if is_texgen_node(n)] + [
        n for n in tree.nodes if n.type == "FRAME" and n.label == FRAME_LABEL
    ]:
        tree.nodes.remove(node)
    shader, output = _shader_and_output(tree)
    frame = tree.nodes.new("NodeFrame")
    frame.label = FRAME_LABEL
    maps = _texture_nodes(tree, frame, images, look)
    _restore_mapping(tree, placed, look)
    if look.blend is not None:
        maps |= _vertex_blended(tree, frame, maps, look)
    left = []

    def link(source, target):
        if target.is_linked:
            left.append(target.name)
        else:
            tree.links.new(source, target)

    _wire_surface(tree, frame, maps, shader, link)
    _wire_relief(tree, frame, maps, shader, output, look, link)
    if RELIEFS[look.relief] and hasattr(material, "displacement_method"):
        material.displacement_method = RELIEFS[look.relief]
    return left


def _shader_and_output(tree):
    """Return the Principled shader that is shown and the output node; create and link those that
    are missing.
    """
    output = tree.get_output_node("ALL") or tree.nodes.new("ShaderNodeOutputMaterial")
    surface = output.inputs["Surface"]
    shown = surface.links[0].from_node if surface.is_linked else None
    if shown is not None and shown.type == "BSDF_PRINCIPLED":
        return shown, output
    shader = next((n for n in tree.nodes if n.type == "BSDF_PRINCIPLED"), None)
    if shader is None:
        shader = tree.nodes.new("ShaderNodeBsdfPrincipled")
    if shown is None:
        tree.links.new(shader.outputs["BSDF"], surface)
    return shader, output


def _new(tree, frame, kind, x, y):
    node = tree.nodes.new(kind)
    node.parent = frame
    node.location = (x, y)
    return node


MAPPING_INPUTS = ("Location", "Rotation", "Scale")


def _artist_mapping(tree):
    """Read (projection, values) that the artist may have changed on the mapping node; None if there
    is no such node.
    """
    found = {n.label if n.type == "MAPPING" else n.type: n for n in tree.nodes if is_texgen_node(n)}
    if not {"Scale", "TEX_IMAGE"} <= set(found):
        return None
    return found["TEX_IMAGE"].projection, {
        name: tuple(found["Scale"].inputs[name].default_value) for name in MAPPING_INPUTS
    }


def _restore_mapping(tree, placed, look):
    """Restore the artist's mapping values; the scale of a box projection stays the real size of the
    new tile.
    """
    if placed is None or (placed[0] == "BOX") != (look.projection == "BOX"):
        return
    mapping = next(n for n in tree.nodes if is_texgen_node(n) and n.label == "Scale")
    for name in MAPPING_INPUTS if look.projection == "UV" else MAPPING_INPUTS[:2]:
        mapping.inputs[name].default_value = placed[1][name]


def _texture_nodes(tree, frame, images, look, suffix="", x=-1000):
    """Create texture nodes; returns their output sockets by map kind."""
    coordinates = _new(tree, frame, "ShaderNodeTexCoord", x - 500, 0)
    mapping = _new(tree, frame, "ShaderNodeMapping", x - 300, 0)
    mapping.label = "Scale" + suffix
    box = look.projection == "BOX"
    tree.links.new(coordinates.outputs["Object" if box else "UV"], mapping.inputs["Vector"])
    if box:
        mapping.inputs["Scale"].default_value = (1.0 / look.tile_m,) * 3
    maps = {}
    for kind, image in images.items():
        node = _new(tree, frame, "ShaderNodeTexImage", x, LAYOUT_Y[kind])
        node.image, node.label, node.hide = image, f"{kind}{suffix}", False
        if box:
            node.projection, node.projection_blend = "BOX", BOX_BLEND
        tree.links.new(mapping.outputs["Vector"], node.inputs["Vector"])
        maps[kind] = node.outputs["Color"]
    return maps


def _vertex_blended(tree, frame, maps, look):
    """Blend with the other material; returns output sockets by map kind, for maps that both have.

    Heights are scaled to the same metres.
    """
    blend = look.blend
    shown = {kind: image for kind, image in blend.images.items() if kind in maps}
    others = _texture_nodes(
        tree, frame, shown, replace(look, tile_m=blend.tile_m), BLEND_SUFFIX, x=-2100
    )
    layer = _new(tree, frame, "ShaderNodeVertexColor", -1000, 880)
    layer.layer_name = blend.layer
    if MapKind.HEIGHT in others and look.height_m > 0.0:
        ratio = blend.height_m / look.height_m
        scaled = _new(tree, frame, "ShaderNodeMath", -800, -1060)
        scaled.operation, scaled.inputs[1].default_value, scaled.inputs[2].default_value = (
            "MULTIPLY_ADD",
            ratio,
            0.5 - 0.5 * ratio,
        )
        tree.links.new(others[MapKind.HEIGHT], scaled.inputs[0])
        others[MapKind.HEIGHT] = scaled.outputs[0]
    blended = {}
    for kind, other in others.items():
        mix = _mix(tree, frame, -750, LAYOUT_Y[kind] - 40, "MIX")
        for source, number in ((layer.outputs["Color"], 0), (maps[kind], 6), (other, 7)):
            tree.links.new(source, mix.inputs[number])
        blended[kind] = mix.outputs[2]
    return blended


def _mix(tree, frame, x, y, how):
    """Create a node that mixes colours: inputs 0 (factor), 6 and 7, output 2."""
    mix = _new(tree, frame, "ShaderNodeMix", x, y)
    mix.data_type, mix.blend_type = "RGBA", how
    return mix


def _wire_surface(tree, frame, maps, shader, link):
    """Wire basecolor (darkened by occlusion), metallic and roughness."""
    if MapKind.BASECOLOR in maps:
        colour = maps[MapKind.BASECOLOR]
        if MapKind.AO in maps:
            occlude = _mix(tree, frame, -500, 500, "MULTIPLY")
            occlude.label = "AO"
            occlude.inputs[0].default_value = 0.5
            tree.links.new(colour, occlude.inputs[6])
            tree.links.new(maps[MapKind.AO], occlude.inputs[7])
            colour = occlude.outputs[2]
        link(colour, shader.inputs["Base Color"])
    for kind, name in ((MapKind.METALLIC, "Metallic"), (MapKind.ROUGHNESS, "Roughness")):
        if kind in maps:
            link(maps[kind], shader.inputs[name])


def _wire_relief(tree, frame, maps, shader, output, look, link):
    """Wire normal and displacement, each through its node."""
    if MapKind.NORMAL in maps and look.relief != "DISPLACED":
        normal = _new(tree, frame, "ShaderNodeNormalMap", -500, -520)
        tree.links.new(maps[MapKind.NORMAL], normal.inputs["Color"])
        link(normal.outputs["Normal"], shader.inputs["Normal"])
    if MapKind.HEIGHT in maps and look.relief != "NORMAL":
        displace = _new(tree, frame, "ShaderNodeDisplacement", -500, -800)
        displace.inputs["Midlevel"].default_value = 0.5
        displace.inputs["Scale"].default_value = look.height_m
        tree.links.new(maps[MapKind.HEIGHT], displace.inputs["Height"])
        link(displace.outputs["Displacement"], output.inputs["Displacement"])


def new_material(name):
    """Create a material with a node tree."""
    material = bpy.data.materials.new(name)
    if material.node_tree is None:
        material.use_nodes = True
    return material


def height_m(material):
    """Return the scale of texgen's displacement node in metres; 0 if there is none."""
    made = [n for n in material.node_tree.nodes if n.type == "DISPLACEMENT" and is_texgen_node(n)]
    return made[0].inputs["Scale"].default_value if made else 0.0
