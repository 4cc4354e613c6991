# SPDX-License-Identifier: GPL-3.0-or-later
"""A texgen Material -> images, node tree, material slot; in small steps, one map each, so that no frame waits long.

Touches only what it made: nodes inside our frame, images and materials marked with our recipe.
"""

from dataclasses import dataclass

import bpy

from texgen.maps import ColorSpace, MapKind

MARK = "texgen_recipe"
FRAME_LABEL = "TexGen"
LAYOUT_Y = {
    MapKind.BASECOLOR: 600,
    MapKind.AO: 320,
    MapKind.METALLIC: 40,
    MapKind.ROUGHNESS: -240,
    MapKind.NORMAL: -520,
    MapKind.HEIGHT: -800,
}


@dataclass
class Target:
    """Where a result goes: an object's active slot, or a material of its own when there is no such object."""

    object_name: str
    stem: str

    @classmethod
    def of(cls, context, stem):
        """The active object, if it can have materials."""
        active = context.active_object
        usable = active is not None and hasattr(active.data, "materials") and active.library is None
        return cls(active.name if usable else "", stem)


def apply_steps(result, target):
    """A generator: each step loads one map, the last one wires all and assigns the material. Yields messages."""
    images = {}
    try:
        for kind, packed in result.maps.items():
            images[kind] = load_image(f"{target.stem}_{kind}", packed, result.recipe)
            yield f"Loaded {kind}"
    except GeneratorExit:  # cancelled half way: leave nothing behind
        for image in images.values():
            bpy.data.images.remove(image)
        raise
    obj = bpy.data.objects.get(target.object_name)
    material = material_for(obj, target.stem)
    old = our_images(material)
    build_nodes(material, images, result)
    for image in old:
        if image.users == 0:
            bpy.data.images.remove(image)
    note = assign(obj, material)
    if bpy.ops.ed.undo_push.poll():
        bpy.ops.ed.undo_push(message="TexGen material")
    yield f"{material.name}{note}"


def load_image(name, packed, recipe):
    """A packed image from PNG bytes, without a temporary file."""
    image = bpy.data.images.new(name, 8, 8)
    image.pack(data=packed.data, data_len=len(packed.data))
    image.source = "FILE"
    image.colorspace_settings.is_data = packed.color_space is ColorSpace.DATA
    image[MARK] = recipe
    return image


def material_for(obj, stem):
    """The material in the active slot if we made it (it is updated in place), else a new one."""
    if obj is not None and obj.active_material is not None and MARK in obj.active_material and obj.active_material.library is None:
        return obj.active_material
    material = bpy.data.materials.new(stem)
    if material.node_tree is None:
        material.use_nodes = True
    return material


def our_images(material):
    """Images that we made and that our nodes in this material use."""
    nodes = material.node_tree.nodes
    return {n.image for n in nodes if n.type == "TEX_IMAGE" and _ours(n) and n.image is not None and MARK in n.image}


def _ours(node):
    return node.parent is not None and node.parent.label == FRAME_LABEL


def build_nodes(material, images, result):
    """Replace our frame's nodes with a fresh tree and wire it to the Principled shader and the output."""
    tree = material.node_tree
    for node in [n for n in tree.nodes if _ours(n)] + [n for n in tree.nodes if n.type == "FRAME" and n.label == FRAME_LABEL]:
        tree.nodes.remove(node)
    shader = next((n for n in tree.nodes if n.type == "BSDF_PRINCIPLED"), None) or tree.nodes.new("ShaderNodeBsdfPrincipled")
    output = tree.get_output_node("ALL") or tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    frame = tree.nodes.new("NodeFrame")
    frame.label = FRAME_LABEL
    textures = _texture_nodes(tree, frame, images)
    _wire(tree, frame, textures, shader, output, result)
    material[MARK] = result.recipe
    material["texgen_licence"] = result.output_licence
    if hasattr(material, "displacement_method"):
        material.displacement_method = "DISPLACEMENT"


def _new(tree, frame, kind, x, y):
    node = tree.nodes.new(kind)
    node.parent = frame
    node.location = (x, y)
    return node


def _texture_nodes(tree, frame, images):
    coordinates = _new(tree, frame, "ShaderNodeTexCoord", -1500, 0)
    mapping = _new(tree, frame, "ShaderNodeMapping", -1300, 0)
    tree.links.new(coordinates.outputs["UV"], mapping.inputs["Vector"])
    textures = {}
    for kind, image in images.items():
        node = _new(tree, frame, "ShaderNodeTexImage", -1000, LAYOUT_Y[kind])
        node.image, node.label, node.hide = image, str(kind), False
        tree.links.new(mapping.outputs["Vector"], node.inputs["Vector"])
        textures[kind] = node
    return textures


def _wire(tree, frame, textures, shader, output, result):
    """Each map to its input: occlusion darkens the colour, normal and displacement through their nodes."""
    link = tree.links.new
    occlude = _new(tree, frame, "ShaderNodeMix", -600, 500)
    occlude.data_type, occlude.blend_type, occlude.label = "RGBA", "MULTIPLY", "AO"
    occlude.inputs[0].default_value = 0.5
    link(textures[MapKind.BASECOLOR].outputs["Color"], occlude.inputs[6])
    link(textures[MapKind.AO].outputs["Color"], occlude.inputs[7])
    link(occlude.outputs[2], shader.inputs["Base Color"])
    link(textures[MapKind.METALLIC].outputs["Color"], shader.inputs["Metallic"])
    link(textures[MapKind.ROUGHNESS].outputs["Color"], shader.inputs["Roughness"])
    normal = _new(tree, frame, "ShaderNodeNormalMap", -600, -520)
    link(textures[MapKind.NORMAL].outputs["Color"], normal.inputs["Color"])
    link(normal.outputs["Normal"], shader.inputs["Normal"])
    displace = _new(tree, frame, "ShaderNodeDisplacement", -600, -800)
    displace.inputs["Midlevel"].default_value = 0.5
    displace.inputs["Scale"].default_value = result.height_range_m
    link(textures[MapKind.HEIGHT].outputs["Color"], displace.inputs["Height"])
    link(displace.outputs["Displacement"], output.inputs["Displacement"])


def assign(obj, material):
    """Put the material into the object's active slot. A material of the user's that it replaces is kept (fake user). Returns a note."""
    if obj is None:
        material.use_fake_user = True
        return " made (no object to put it on)"
    replaced = obj.active_material
    if replaced is material:
        return f" updated on {obj.name}"
    if obj.material_slots:
        obj.material_slots[obj.active_material_index].material = material
    else:
        obj.data.materials.append(material)
    if replaced is None:
        return f" on {obj.name}"
    if replaced.users == 0:
        replaced.use_fake_user = True
    return f" on {obj.name}; {replaced.name} is kept in the file"
