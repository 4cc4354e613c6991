# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a real Blender window (Xvfb): install the zip, open the panel, click Generate, wait for the material, take screenshots.

usage: blender --factory-startup --enable-event-simulate --python window.py -- ZIP ADDRESS OUT_PREFIX
"""

import json
import os
import subprocess
import sys
import time
import traceback

import bpy

ZIP, ADDRESS, OUT = sys.argv[sys.argv.index("--") + 1 :][:3]
PACKAGE = "bl_ext.user_default.texgen"
STARTED = time.monotonic()
facts = {"blender": bpy.app.version_string, "stages": []}
bpy.context.preferences.view.show_splash = False


def window():
    return bpy.context.window_manager.windows[0]


def area(kind):
    return next(a for a in window().screen.areas if a.type == kind)


def sidebar(of):
    return next(r for r in of.regions if r.type == "UI")


def shot(name):
    subprocess.run(f"xwd -root -silent | convert xwd:- {OUT}_{name}.png", shell=True, check=True)
    facts["stages"].append(name)


def wait_for(test, seconds, what):
    deadline = time.monotonic() + seconds
    while not test():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        yield 0.1


def show_panel(of):
    """Turn the sidebar to our tab."""
    of.spaces[0].show_region_ui = True

    def turned():
        try:
            sidebar(of).active_panel_category = "TexGen"
        except AttributeError:
            return False
        return True

    yield from wait_for(turned, 20, "the TexGen tab")
    of.tag_redraw()
    yield 2.0


def press(x, y):
    for kind, value in (("MOUSEMOVE", "NOTHING"), ("LEFTMOUSE", "PRESS"), ("LEFTMOUSE", "RELEASE")):
        window().event_simulate(type=kind, value=value, x=x, y=y)
        yield 0.3


def click_generate(of):
    """Press down the panel, row by row, until the button answers: its place depends on theme and version."""
    board = sys.modules[f"{PACKAGE}.jobs"].board
    region = sidebar(of)
    x = region.x + region.width // 2
    for below_top in range(105, 240, 10):
        yield from press(x, region.y + region.height - below_top)
        yield 0.2
        if board.active or board.message:
            facts["clicked_px_below_top"] = below_top
            return
        window().event_simulate(type="ESC", value="PRESS", x=x, y=region.y + 5)
        window().event_simulate(type="ESC", value="RELEASE", x=x, y=region.y + 5)
        yield 0.2
    raise RuntimeError("the Generate button did not answer")


def scenario():
    assert bpy.ops.extensions.package_install_files(filepath=ZIP, repo="user_default", enable_on_install=True) == {"FINISHED"}
    sys.modules[f"{PACKAGE}.preferences"].active_profile().address = ADDRESS
    board = sys.modules[f"{PACKAGE}.jobs"].board
    cube = bpy.data.objects["Cube"]
    bpy.context.view_layer.objects.active = cube
    settings = bpy.context.scene.texgen
    settings.class_name, settings.seed, settings.size = "brick", 7, "512"
    view = area("VIEW_3D")
    view.spaces[0].shading.type = "SOLID"
    view.spaces[0].shading.color_type = "TEXTURE"
    yield from show_panel(view)
    shot("panel")
    yield from click_generate(view)
    longest, last = 0.0, time.monotonic()
    while board.active:
        now = time.monotonic()
        longest, last = max(longest, now - last), now
        if now - STARTED > 240:
            raise TimeoutError("the result did not come")
        yield 0.02
    facts["longest_gap_between_frames_s"] = round(longest, 3)
    assert not board.failed, board.message
    facts["message"] = board.message
    material = cube.active_material
    assert "texgen_recipe" in material, material.name
    view.tag_redraw()
    yield 2.0
    shot("material")
    view.type = "NODE_EDITOR"
    view.ui_type = "ShaderNodeTree"
    yield 1.0
    nodes = area("NODE_EDITOR")
    yield from show_panel(nodes)
    region = next(r for r in nodes.regions if r.type == "WINDOW")
    with bpy.context.temp_override(window=window(), area=nodes, region=region):
        bpy.ops.node.view_all()
    yield 2.0
    shot("nodes")
    facts["nodes"] = sorted(n.label for n in material.node_tree.nodes if n.type == "TEX_IMAGE")


steps = scenario()


def tick():
    try:
        return next(steps)
    except StopIteration:
        print("FACTS " + json.dumps(facts), flush=True)
        bpy.ops.wm.quit_blender()
    except BaseException:
        traceback.print_exc()
        shot("failed")
        sys.stdout.flush()
        os._exit(7)


bpy.app.timers.register(tick, first_interval=1.0)
