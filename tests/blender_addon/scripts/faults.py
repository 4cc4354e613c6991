# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a bpy module: servers that refuse, die and come back. Prints one JSON object.

usage: python faults.py ZIP PYTHON MODELS OUT_DIR      (PYTHON has texgen and starts the servers)
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import bpy

ZIP, PYTHON, MODELS, OUT = sys.argv[1:5]
PACKAGE = "bl_ext.user_default.texgen"

bpy.ops.wm.read_factory_settings(use_empty=True)
assert bpy.ops.extensions.package_install_files(
    filepath=ZIP, repo="user_default", enable_on_install=True
) == {"FINISHED"}
board = sys.modules[f"{PACKAGE}.jobs"].board
profile = sys.modules[f"{PACKAGE}.preferences"].active_profile()
local_server = sys.modules[f"{PACKAGE}.local_server"]
settings = bpy.context.scene.texgen


def server(port="0", *flags):
    """A server in a process of its own."""
    command = [
        PYTHON,
        "-m",
        "texgen",
        "serve",
        "--listen",
        f"127.0.0.1:{port}",
        "--models",
        MODELS,
        "--device",
        "torch",
        *flags,
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return process, process.stdout.readline().split()[4]


def run(seconds=60.0):
    deadline = time.monotonic() + seconds
    while board.active:
        assert time.monotonic() < deadline, "timed out"
        board.poll()
        time.sleep(0.01)
    return board.message


Path(OUT, "token.txt").write_text("secret\n")
guarded, profile.address = server("0", "--token-file", str(Path(OUT, "token.txt")))
settings.size = "256"
bpy.ops.texgen.generate()
assert "refused the token" in run() and board.failed, board.message
profile.token = "secret"
bpy.ops.texgen.generate()
run()
assert not board.failed, board.message
guarded.kill()
guarded.wait()
guarded.stdout.close()

profile.token = ""
dying, profile.address = server()
images = len(bpy.data.images)
settings.size, settings.seed = "2048", 2
bpy.ops.texgen.generate()
while board.progress[1] != "computing":
    board.poll()
    time.sleep(0.01)
dying.kill()
dying.wait()
dying.stdout.close()
assert "No answer" in run() and board.failed, board.message
assert len(bpy.data.images) == images
again, address = server(profile.address.split(":")[1])
assert address == profile.address
settings.size = "256"
bpy.ops.texgen.generate()
run()
assert not board.failed, board.message
again.kill()
again.wait()
again.stdout.close()

preferences = bpy.context.preferences.addons[PACKAGE].preferences
preferences.command = "no-such-program"
try:
    bpy.ops.texgen.start_server()
except RuntimeError as error:
    assert "pip install" in str(error), error
preferences.command = f"{PYTHON} -m texgen"
assert bpy.ops.texgen.start_server() == {"FINISHED"}
deadline = time.monotonic() + 60
while "Connected" not in board.message:
    assert time.monotonic() < deadline, (board.message, local_server.last_lines(5))
    board.poll()
    time.sleep(0.05)
assert local_server.running() and local_server.last_lines(1)
bpy.ops.preferences.addon_disable(module=PACKAGE)
assert not local_server.running()
print(json.dumps({"blender": bpy.app.version_string}))
