# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies an environment to the scene's World: nodes in one frame, with controls for rotation and
strength.
"""

import bpy

from . import images, jobs, materials

FRAME_LABEL = "TexGen"


def apply_steps(assembler, scene_name, stem, *, beside):
    """Load the panorama and wire the world, in steps. Yields messages."""
    result = assembler.environment()
    image = yield from images.load_steps(stem, result.panorama, result.recipe, beside=beside)
    try:
        yield "Loaded the panorama"
    except GeneratorExit:
        images.discard_new([image])
        raise
    scene = bpy.data.scenes.get(scene_name)
    if scene is None:
        images.discard_new([image])
        raise ValueError("the scene is gone")
    world = _world(scene)
    old = [
        n.image
        for n in world.node_tree.nodes
        if n.type == "TEX_ENVIRONMENT" and _ours(n) and n.image is not None
    ]
    _build(world, image)
    images.remove(old)
    world[images.MARK] = result.recipe
    materials.push_undo("TexGen environment")
    yield jobs.FinalMessage(f"{world.name} lights the scene")


def mapping_and_background(world):
    """Return texgen's (mapping node, background node), which the panel shows; None if they do not
    exist.
    """
    if world is None or world.node_tree is None:
        return None
    ours = {n.type: n for n in world.node_tree.nodes if _ours(n)}
    return (ours["MAPPING"], ours["BACKGROUND"]) if {"MAPPING", "BACKGROUND"} <= set(ours) else None


def _world(scene):
    """Return the scene's own world if it may be changed, else a new one; the old world stays in the
    file.
    """
    world = scene.world
    if world is None or world.library is not None:
        world = scene.world = bpy.data.worlds.new("TexGen")
    if world.node_tree is None:
        world.use_nodes = True
    return world


def _ours(node):
    return node.parent is not None and node.parent.label == FRAME_LABEL


def _build(world, image):
    tree = world.node_tree
    rotation, strength = (0.0, 0.0, 0.0), 1.0
    if before := mapping_and_background(world):
        rotation = tuple(before[0].inputs["Rotation"].default_value)
        strength = before[1].inputs["Strength"].default_value
    for node in [n for n in tree.nodes if _ours(n)] + [
        n for n in tree.nodes if n.type == "FRAME" and n.label == FRAME_LABEL
    ]:
        tree.nodes.remove(node)
    output = tree.get_output_node("ALL") or tree.nodes.new("ShaderNodeOutputWorld")
    frame = tree.nodes.new("NodeFrame")
    frame.label = FRAME_LABEL
    made = []
    for kind, x in (
        ("TexCoord", -900),
        ("Mapping", -700),
        ("TexEnvironment", -450),
        ("Background", -150),
    ):
        node = tree.nodes.new(f"ShaderNode{kind}")
        node.parent, node.location = frame, (x, 300)
        made.append(node)
    coordinates, mapping, texture, background = made
    texture.image = image
    mapping.inputs["Rotation"].default_value = rotation
    background.inputs["Strength"].default_value = strength
    tree.links.new(coordinates.outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], background.inputs["Color"])
    tree.links.new(background.outputs["Background"], output.inputs["Surface"])
