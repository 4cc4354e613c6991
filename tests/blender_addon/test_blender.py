# SPDX-License-Identifier: Apache-2.0
"""The add-on in real Blenders, against the real server with the shipped weights.

TEXGEN_BPY_PYTHONS: Python interpreters that have the bpy module, joined by ":".
TEXGEN_BLENDER_ROOT: a folder with a Debian that has Blender, Xvfb and ImageMagick (made by
tests/blender_addon/setup_blender_root.sh; entering it needs root).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blender_addon.build import build
from texgen import __version__
from texgen.cli import main
from texgen_server.config import ServerConfig
from texgen_server.rpc.server import EmbeddedServer

SCRIPTS = Path(__file__).parent / "scripts"
PICTURES = Path(os.environ.get("TEXGEN_PICTURES", "/tmp/texgen-pictures"))
PYTHONS = [p for p in os.environ.get("TEXGEN_BPY_PYTHONS", "").split(":") if p]
ROOT = os.environ.get("TEXGEN_BLENDER_ROOT", "")


@pytest.fixture(scope="module")
def extension(tmp_path_factory):
    return build(tmp_path_factory.mktemp("zip"))


@pytest.fixture(scope="module")
def address():
    with EmbeddedServer(ServerConfig(port=0, grace_s=1.0)) as server:
        yield server.address


def said_by(script, python, folder, *arguments):
    """The facts that a script prints, run in a Python with bpy and a user's folder of its own.

    Blender may print after it.
    """
    if not python:
        pytest.skip("TEXGEN_BPY_PYTHONS names no Python with bpy")
    (folder / "user").mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
        "BLENDER_USER_RESOURCES": str(folder / "user")
    }
    command = [python, str(SCRIPTS / script), *map(str, arguments), str(folder)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads(
        next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{"))
    )


@pytest.mark.blender
@pytest.mark.parametrize("python", PYTHONS or [""])
def test_generate_and_render_in_background(extension, address, tmp_path, python):
    facts = said_by("headless.py", python, tmp_path, extension, address)
    assert facts["rendered"]
    assert facts["height_is_16_bit"]
    assert contrast(facts["render"]) > 5, "the render shows a texture, not a flat colour"
    PICTURES.mkdir(parents=True, exist_ok=True)
    shutil.copy(facts["render"], PICTURES / f"blender_{facts['blender'].split()[0]}.png")


@pytest.mark.blender
@pytest.mark.parametrize("python", PYTHONS or [""])
def test_every_operator_in_background(extension, address, tmp_path, python):
    facts = said_by("operators.py", python, tmp_path, extension, address)
    assert facts["live_updates_per_s"] > 0


@pytest.mark.blender
@pytest.mark.parametrize("python", PYTHONS or [""])
def test_servers_that_refuse_die_and_come_back(extension, models, tmp_path, python):
    said_by("faults.py", python, tmp_path, extension, sys.executable, models)


@pytest.mark.blender
@pytest.mark.parametrize("python", PYTHONS or [""])
def test_a_folder_with_the_zip_serves_as_a_repository(extension, tmp_path, python):
    facts = said_by("repository.py", python, tmp_path, extension)
    assert facts["listed"] == [f"texgen {__version__}"]


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """A set of the shipped model, loose, as glTF and as USD."""
    folder = tmp_path_factory.mktemp("exports")
    assert (
        main(
            [
                "generate",
                "--class",
                "brick",
                "--seed",
                "3",
                "--size",
                "512",
                "--name",
                "wall",
                "--out",
                str(folder / "loose"),
            ]
        )
        == 0
    )
    for preset in ("gltf", "usd"):
        assert (
            main(
                ["export", str(folder / "loose"), "--preset", preset, "--out", str(folder / preset)]
            )
            == 0
        )
    return folder


@pytest.mark.blender
@pytest.mark.parametrize("python", PYTHONS or [""])
def test_exports_come_in_through_blenders_importers_and_look_the_same(exports, tmp_path, python):
    """And Node Wrangler's own matching of names wires every map of the loose set."""
    facts = said_by("imports.py", python, tmp_path, exports)
    wired = {
        socket: file.removeprefix("wall_").removesuffix(".png")
        for socket, file in facts["wired"].items()
    }
    assert wired == {
        "Displacement": "height",
        "Base Color": "basecolor",
        "Metallic": "metallic",
        "Roughness": "roughness",
        "Normal": "normal_gl",
        "Ambient Occlusion": "ao",
    }
    assert facts["without_relief"] > 0.005, "a map that is missing would show"
    assert set(facts["apart"]) == {"glb", "usda", "usdz"}
    assert max(facts["apart"].values()) < 0.001


def contrast(path):
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        centre = np.asarray(image.convert("L"), np.float32)[128:240, 64:192]
    return float(centre.std())


@pytest.mark.window
def test_a_person_clicks_generate_in_a_window(extension, address):
    if not ROOT or not Path(ROOT, "usr/bin/blender").is_file():
        pytest.skip("TEXGEN_BLENDER_ROOT names no folder with a Blender")
    work = Path(ROOT, "tmp", "texgen-window")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    shutil.copy(SCRIPTS / "window.py", work)
    shutil.copy(extension, work / "texgen.zip")
    inner = (
        "cd /tmp/texgen-window && export HOME=/tmp/texgen-window "
        "BLENDER_USER_RESOURCES=/tmp/texgen-window/user LIBGL_ALWAYS_SOFTWARE=1 && "
        "mkdir -p user && (Xvfb :97 -screen 0 1280x800x24 >/dev/null 2>&1 & echo $! > "
        "xvfb.pid) && sleep 2 && export DISPLAY=:97; "
        "blender --factory-startup --offline-mode --enable-event-simulate --window-geometry 0 "
        "0 1280 800 --python-exit-code 1 "
        f"--python window.py -- /tmp/texgen-window/texgen.zip {address} "
        f"/tmp/texgen-window/shot; code=$?; kill $(cat xvfb.pid); exit $code"
    )
    done = subprocess.run(
        ["chroot", ROOT, "sh", "-c", inner],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    PICTURES.mkdir(parents=True, exist_ok=True)
    for picture in work.glob("shot_*.png"):
        shutil.copy(picture, PICTURES / f"window_{picture.name.removeprefix('shot_')}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    facts = json.loads(
        next(line for line in done.stdout.splitlines() if line.startswith("FACTS")).removeprefix(
            "FACTS "
        )
    )
    tour = [
        "undone",
        "live",
        "applied",
        "variations",
        "history",
        "upscale",
        "environment",
        "cancelled",
    ]
    assert facts["stages"] == ["panel", "material", *tour, "nodes"]
    assert facts["live_updates"] > 0
    assert len(facts["nodes"]) == 6
    assert facts["longest_gap_between_frames_s"] < 2.0
