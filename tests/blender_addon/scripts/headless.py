# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a bpy module: install the zip, generate on a mesh, check the material, render. Prints
one JSON object.

usage: python headless.py ZIP ADDRESS OUT_DIR      (BLENDER_USER_RESOURCES must point to an empty
folder)
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import bpy

ZIP, ADDRESS, OUT = sys.argv[1], sys.argv[2], Path(sys.argv[3])
facts = {"blender": bpy.app.version_string, "python": sys.version.split()[0]}


def wait(board, seconds=180.0):
    """What the timer does in a window."""
    deadline, ticks = time.monotonic() + seconds, []
    while board.active:
        assert time.monotonic() < deadline, "timed out"
        started = time.perf_counter()
        board.poll()
        ticks.append(time.perf_counter() - started)
        time.sleep(0.01)
    return max(ticks, default=0.0)


cli = Path(bpy.utils.system_resource("SCRIPTS", path="addons_core/bl_pkg/cli")) / "blender_ext.py"
subprocess.run([sys.executable, str(cli), "validate", ZIP], check=True, stdout=sys.stderr)

assert bpy.ops.extensions.package_install_files(
    filepath=ZIP, repo="user_default", enable_on_install=True
) == {"FINISHED"}
package = "bl_ext.user_default.texgen"
addon = sys.modules[package]
jobs = sys.modules[f"{package}.jobs"]
sys.modules[f"{package}.preferences"].active_profile().address = ADDRESS

bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.preferences.addon_enable(module=package)
sys.modules[f"{package}.preferences"].active_profile().address = ADDRESS
board = sys.modules[f"{package}.jobs"].board
bpy.ops.mesh.primitive_plane_add(size=2)
plane = bpy.context.object
mine = bpy.data.materials.new("Mine")
plane.data.materials.append(mine)

bpy.ops.texgen.test_connection()
wait(board)
assert not board.failed and "Connected" in board.message, board.message
facts["connection"] = board.message

settings = bpy.context.scene.texgen
settings.class_name, settings.seed, settings.size = "brick", 7, "512"
assert bpy.ops.texgen.generate() == {"FINISHED"}
facts["slowest_tick_ms"] = round(wait(board) * 1000, 1)
assert not board.failed, board.message
facts["message"] = board.message

material = plane.active_material
assert material is mine, "the maps go into the material in the active slot"
images = {n.label: n.image for n in material.node_tree.nodes if n.type == "TEX_IMAGE"}
assert sorted(images) == ["ao", "basecolor", "height", "metallic", "normal", "roughness"], images
for name, image in images.items():
    assert image.size[0] == image.size[1] == 512 and image.packed_file is not None
    assert image.colorspace_settings.is_data == (name != "basecolor"), name
shader = next(n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
for socket in ("Base Color", "Metallic", "Roughness", "Normal"):
    assert shader.inputs[socket].is_linked, socket
output = material.node_tree.get_output_node("ALL")
assert output.inputs["Displacement"].is_linked and output.inputs["Surface"].is_linked
facts["height_is_16_bit"] = images["height"].depth >= 16
facts["recipe"] = material["texgen_recipe"]

before = (len(bpy.data.images), len(bpy.data.materials), len(material.node_tree.nodes))
settings.seed = 8
bpy.ops.texgen.generate()
wait(board)
assert plane.active_material is material, "the material that we made is updated in place"
assert (len(bpy.data.images), len(bpy.data.materials), len(material.node_tree.nodes)) == before, (
    "nothing piles up"
)

bpy.ops.texgen.generate()
bpy.ops.texgen.cancel()
wait(board)
assert board.message == "Cancelled", board.message

settings.class_name = "no_such_class"
bpy.ops.texgen.generate()
wait(board)
assert board.failed and "unknown class" in board.message and "bark" in board.message, board.message
assert plane.active_material is material

sys.modules[f"{package}.preferences"].active_profile().address = "127.0.0.1:1"
settings.class_name = "brick"
bpy.ops.texgen.generate()
wait(board)
assert board.failed and "texgen serve" in board.message, board.message

scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.samples, scene.render.resolution_x, scene.render.resolution_y = 16, 256, 256
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
camera.location, camera.rotation_euler = (0, -1.6, 1.9), (0.7, 0, 0)
light = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
light.data.energy, light.rotation_euler = 4.0, (0.9, 0.0, 0.8)
for obj in (camera, light):
    scene.collection.objects.link(obj)
scene.camera = camera
scene.render.filepath = str(OUT / f"render_{bpy.app.version_string}.png")
bpy.ops.render.render(write_still=True)
facts["render"] = scene.render.filepath
facts["rendered"] = Path(scene.render.filepath).is_file()

bpy.ops.wm.save_as_mainfile(filepath=str(OUT / "scene.blend"))
bpy.ops.wm.open_mainfile(filepath=str(OUT / "scene.blend"))
assert len([i for i in bpy.data.images if i.packed_file]) == 6, "maps survive saving and loading"
bpy.ops.preferences.addon_disable(module=package)
print(json.dumps(facts))
