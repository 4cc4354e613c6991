# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a bpy module: a folder with our zip becomes a repository of Blender's, and the add-on
is installed from there.

usage: python repository.py ZIP OUT_DIR      (BLENDER_USER_RESOURCES must point to an empty folder)
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import bpy

ZIP, OUT = Path(sys.argv[1]), Path(sys.argv[2])
folder = OUT / "repository"
folder.mkdir()
shutil.copy(ZIP, folder)
cli = Path(bpy.utils.system_resource("SCRIPTS", path="addons_core/bl_pkg/cli")) / "blender_ext.py"
subprocess.run(
    [sys.executable, str(cli), "server-generate", f"--repo-dir={folder}", "--html"],
    check=True,
    stdout=sys.stderr,
)
listed = json.loads((folder / "index.json").read_text())["data"]
assert [entry["id"] for entry in listed] == ["texgen"], listed
assert (folder / "index.html").is_file()

bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.preferences.system.use_online_access = True  # Blender asks for it even for a folder
repos = bpy.context.preferences.extensions.repos
repo = repos.new(name="Studio", module="studio", remote_url=f"file://{folder}/index.json")
repo.enabled = True
index = list(repos).index(repo)
assert bpy.ops.extensions.repo_sync(repo_index=index) == {"FINISHED"}
assert bpy.ops.extensions.package_install(
    repo_index=index, pkg_id="texgen", enable_on_install=True
) == {"FINISHED"}
assert "bl_ext.studio.texgen" in bpy.context.preferences.addons
assert bpy.ops.texgen.generate.idname() == "TEXGEN_OT_generate"
print(
    json.dumps(
        {
            "blender": bpy.app.version_string,
            "listed": [f"{entry['id']} {entry['version']}" for entry in listed],
        }
    )
)
