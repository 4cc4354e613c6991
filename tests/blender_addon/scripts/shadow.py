# SPDX-License-Identifier: Apache-2.0
"""Render the shadow of a pole under an environment: shadow.py PANORAMA.exr OUT.png.

Prints the camera's facts as JSON.
"""

import json
import sys

import bpy

panorama, out = sys.argv[-2:]
HEIGHT, VIEW, EDGE = 1.0, 8.0, 400
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
bpy.ops.mesh.primitive_plane_add(size=60.0)
bpy.ops.mesh.primitive_cylinder_add(radius=0.02, depth=HEIGHT, location=(0.0, 0.0, HEIGHT / 2))
world = bpy.data.worlds.new("Sky")
scene.world = world
if hasattr(world, "use_nodes"):
    world.use_nodes = True
nodes, links = world.node_tree.nodes, world.node_tree.links
texture = nodes.new("ShaderNodeTexEnvironment")
texture.image = bpy.data.images.load(panorama)
links.new(texture.outputs["Color"], nodes["Background"].inputs["Color"])
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
camera.data.type, camera.data.ortho_scale = "ORTHO", VIEW
camera.location = (0.0, 0.0, 30.0)
scene.collection.objects.link(camera)
scene.camera = camera
scene.render.engine = "CYCLES"
scene.cycles.samples, scene.cycles.use_denoising = 16, False
scene.cycles.max_bounces = 0
scene.render.resolution_x = scene.render.resolution_y = EDGE
scene.render.film_transparent = False
scene.view_settings.view_transform = "Raw"
scene.view_settings.exposure = -4.0
scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "PNG", "16"
scene.render.filepath = out
bpy.ops.render.render(write_still=True)
print(json.dumps({"height": HEIGHT, "px_per_unit": EDGE / VIEW}))
