# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a real Blender window (Xvfb): install the zip, open the panel, click Generate, wait
for the material, take screenshots.

usage: blender --factory-startup --enable-event-simulate --python window.py -- ZIP ADDRESS
OUT_PREFIX
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
    """Press down the panel, row by row, until the button answers: its place depends on theme and
    version.
    """
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


HEADER_PX = 26
drawn = {}


def watch_panels():
    """Remember when each part of the panel was last drawn: so we know whether it is open."""
    for name, part in sys.modules[f"{PACKAGE}.panels"].PARTS.items():
        if name != "main":
            part.draw_part = noted(name, part.draw_part)


def noted(name, draw):
    def draw_part(self, layout, context):
        drawn[name] = time.monotonic()
        draw(self, layout, context)

    return draw_part


def is_open(of, name):
    """Draw again, and see."""
    now = time.monotonic()
    of.tag_redraw()
    yield 0.5
    return drawn.get(name, 0.0) > now


def toggle(of, name, from_px, wanted):
    """Press down the panel until a part is open, or closed.

    Returns where its header is, in px below the top.
    """
    region = sidebar(of)
    for below_top in range(from_px, from_px + 260, 8):
        if (yield from is_open(of, name)) == wanted:
            return below_top - 8
        yield from press(region.x + 60, region.y + region.height - below_top)
    raise RuntimeError(f"the panel {name} did not {'open' if wanted else 'close'}")


def drag_a_slider(of, from_px):
    """Press, move, release, row by row, until a preview begins."""
    live, region = sys.modules[f"{PACKAGE}.live_preview"], sidebar(of)
    x = region.x + region.width * 3 // 5
    for below_top in range(from_px, from_px + 200, 9):
        y = region.y + region.height - below_top
        window().event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
        yield 0.1
        window().event_simulate(type="LEFTMOUSE", value="PRESS", x=x, y=y)
        for step in range(1, 14):
            window().event_simulate(type="MOUSEMOVE", value="NOTHING", x=x + 3 * step, y=y)
            yield 0.1
        began = live.current is not None and live.current.shown
        if began:
            shot("live")
            facts["live_updates"] = live.current.shown
        window().event_simulate(type="LEFTMOUSE", value="RELEASE", x=x + 39, y=y)
        yield 0.2
        if began:
            return
    raise RuntimeError("no slider gave a preview")


def idle(board):
    """Until nothing runs, and it went well."""
    yield from wait_for(lambda: not board.active, 200, "the server")
    assert not board.failed, board.message
    yield 1.0


def undone_and_done_again():
    """A generated material is one step of undo, images and nodes together."""
    nodes = sys.modules[f"{PACKAGE}.nodes"]

    def shown():
        return nodes.texgen_textures(bpy.data.objects["Cube"].active_material)

    before = {kind: tuple(node.image.size) for kind, node in shown().items()}
    with bpy.context.temp_override(window=window()):
        bpy.ops.ed.undo()
        yield 0.5
        assert not shown(), "one undo takes the whole material back"
        bpy.ops.ed.redo()
    yield 0.5
    assert {kind: tuple(node.image.size) for kind, node in shown().items()} == before
    assert sys.modules[f"{PACKAGE}.history"].recipe_of(bpy.data.objects["Cube"].active_material)
    facts["stages"].append("undone")


def tour(view, board):
    """Every part of the panel, as an artist would go through it."""
    live = sys.modules[f"{PACKAGE}.live_preview"]
    watch_panels()
    yield from drag_a_slider(view, 300)
    yield from wait_for(lambda: live.current is None, 30, "the full size after the drag")
    yield from idle(board)
    shot("applied")
    header = yield from toggle(view, "sliders", 236, False)
    order = list(sys.modules[f"{PACKAGE}.panels"].PARTS)
    for name, work in (
        ("variations", bpy.ops.texgen.vary),
        ("history", bpy.ops.texgen.mark_asset),
        ("upscale", lambda: bpy.ops.texgen.upscale(scale="2")),
        ("environment", bpy.ops.texgen.environment),
    ):
        board.show_message("Ready")  # of one line, so that headers stay where they are
        at = yield from toggle(
            view, name, header + HEADER_PX * (order.index(name) - order.index("sliders")), True
        )
        assert work() == {"FINISHED"}, name
        yield from idle(board)
        if name == "variations":
            assert bpy.ops.texgen.take_variation(number=1) == {"FINISHED"}
            yield from idle(board)
        shot(name)
        board.show_message("Ready")
        yield from toggle(view, name, at, False)
    bpy.context.scene.texgen.seed += 1
    assert bpy.ops.texgen.generate() == {"FINISHED"}
    yield 0.1
    assert bpy.ops.texgen.cancel() == {"FINISHED"}
    yield from wait_for(lambda: not board.active, 20, "the cancel")
    assert board.message == "Cancelled", board.message
    shot("cancelled")


def scenario():
    assert bpy.ops.extensions.package_install_files(
        filepath=ZIP, repo="user_default", enable_on_install=True
    ) == {"FINISHED"}
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
    yield from undone_and_done_again()
    yield from tour(view, board)
    material = bpy.data.objects["Cube"].active_material
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
