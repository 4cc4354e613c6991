# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a bpy module: our exports come in through Blender's own importers, and look as the
loose maps do. Prints one JSON object.

usage: python imports.py FOLDER OUT_DIR      (FOLDER holds loose/, gltf/, usd/, each with the set
``wall``)
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np

FOLDER, OUT = Path(sys.argv[1]), Path(sys.argv[2])
SOCKETS = {"Base Color": True, "Roughness": False, "Metallic": False, "Normal": False}
facts = {"blender": bpy.app.version_string}

bpy.ops.wm.read_factory_settings(use_empty=True)
for module in ("node_wrangler", "io_scene_gltf2"):
    assert bpy.ops.preferences.addon_enable(module=module) == {"FINISHED"}, module


def stage():
    """A square from above, lit from the side."""
    scene = bpy.context.scene
    bpy.ops.mesh.primitive_plane_add(size=2)
    plane = bpy.context.object
    plane.data.uv_layers.new(
        name="st"
    )  # what the USD names; the importer of glTF names UVMap, which is there
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy, sun.rotation_euler = 3.0, (0.9, 0.2, 0.4)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.location, camera.data.type, camera.data.ortho_scale = (0, 0, 3), "ORTHO", 2.0
    for thing in (sun, camera):
        scene.collection.objects.link(thing)
    scene.camera, scene.render.engine, scene.cycles.samples = camera, "CYCLES", 16
    scene.cycles.use_denoising = False
    scene.render.resolution_x = scene.render.resolution_y = 192
    scene.view_settings.view_transform = "Standard"
    scene.world = bpy.data.worlds.new("world")
    return plane


def render(plane, material, name):
    plane.data.materials.clear()
    plane.data.materials.append(material)
    for thing in bpy.data.objects:
        thing.hide_render = thing.type == "MESH" and thing is not plane
    path = OUT / f"{name}.png"
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels


def matched():
    """Which file of the set Node Wrangler gives to which socket."""
    paths = import_module("node_wrangler.utils.paths")
    tags = bpy.context.preferences.addons["node_wrangler"].preferences.principled_tags
    sockets = [
        [name, words.split(" "), None]
        for name, words in (
            ("Displacement", tags.displacement),
            ("Base Color", tags.base_color),
            ("Metallic", tags.metallic),
            ("Specular IOR Level", tags.specular),
            ("Roughness", f"{tags.rough} {tags.gloss}"),
            ("Bump", tags.bump),
            ("Normal", tags.normal),
            ("Transmission Weight", tags.transmission),
            ("Emission Color", tags.emission),
            ("Alpha", tags.alpha),
            ("Ambient Occlusion", tags.ambient_occlusion),
        )
    ]
    files = [
        SimpleNamespace(name=p.name)
        for p in sorted((FOLDER / "loose").iterdir())
        if p.suffix == ".png"
    ]
    paths.match_files_to_socket_names(files, sockets)
    return {name: file for name, _, file in sockets if file}


def loose(files, name, *, flipped=False):
    """A material of the loose files, as Node Wrangler would wire them."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = next(n for n in nodes if n.type == "BSDF_PRINCIPLED")
    for socket, colour in SOCKETS.items():
        texture = nodes.new("ShaderNodeTexImage")
        texture.image = bpy.data.images.load(str(FOLDER / "loose" / files[socket]))
        texture.image.colorspace_settings.is_data = not colour
        source = texture.outputs["Color"]
        if socket == "Normal":
            normal = nodes.new("ShaderNodeNormalMap")
            if flipped:
                normal.inputs["Strength"].default_value = 0.0
            links.new(source, normal.inputs["Color"])
            source = normal.outputs["Normal"]
        links.new(source, shader.inputs[socket])
    return material


def imported(operator, path, **options):
    before = set(bpy.data.materials)
    assert operator(filepath=str(path), **options) == {"FINISHED"}, path
    (material,) = set(bpy.data.materials) - before
    return material


plane = stage()
files = matched()
facts["wired"] = files
reference = render(plane, loose(files, "loose"), "loose")
facts["contrast"] = float(reference.reshape(-1, 4)[:, :3].std())
facts["without_relief"] = float(
    np.abs(render(plane, loose(files, "flat", flipped=True), "flat") - reference).mean()
)
facts["apart"] = {}
for name, operator, file in (
    ("glb", bpy.ops.import_scene.gltf, FOLDER / "gltf" / "wall.glb"),
    ("usda", bpy.ops.wm.usd_import, FOLDER / "usd" / "wall.usda"),
    ("usdz", bpy.ops.wm.usd_import, FOLDER / "usd" / "wall.usdz"),
):
    facts["apart"][name] = float(
        np.abs(render(plane, imported(operator, file), name) - reference).mean()
    )
print(json.dumps(facts))
sys.stdout.flush()
os._exit(0)  # bpy 4.2.0 crashes while its USD libraries unload at exit
