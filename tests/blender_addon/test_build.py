# SPDX-License-Identifier: Apache-2.0
"""The extension's zip, without Blender."""

from __future__ import annotations

import ast
import io
import tomllib
import zipfile

import pytest

from blender_addon import build as builder
from texgen import __version__


def test_the_small_wheel_holds_only_what_blender_can_import():
    wheel = zipfile.ZipFile(io.BytesIO(builder.texgen_wheel("1.2.3")))
    names = wheel.namelist()
    assert "texgen/wire/assembly.py" in names
    assert not [n for n in names if "client" in n or "grpc" in n or "cli.py" in n]
    for name in names:
        if name.endswith(".py"):
            source = wheel.read(name).decode()
            assert "import grpc" not in source, name
            assert "isal" not in source, name
    assert "texgen_blender-1.2.3.dist-info/RECORD" in names


def test_whatever_its_modules_import_of_texgen_is_in_the_small_wheel():
    wheel = zipfile.ZipFile(io.BytesIO(builder.texgen_wheel("1.2.3")))
    there = {
        n.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for n in wheel.namelist()
        if n.endswith(".py")
    }
    for name in wheel.namelist():
        if not name.endswith(".py"):
            continue
        for node in ast.parse(wheel.read(name).decode()).body:  # what Python runs on import
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "texgen":
                wanted = {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
                assert wanted & there and node.module in there, f"{name} imports {node.module}"


@pytest.mark.slow
def test_the_zip_is_deterministic_small_and_complete(tmp_path):
    first, second = builder.build(tmp_path / "a"), builder.build(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size < 1_000_000
    archive = zipfile.ZipFile(first)
    manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
    assert manifest["version"] == __version__
    assert not manifest["tagline"].endswith(".")
    listed = {w.removeprefix("./") for w in manifest["wheels"]}
    assert listed == {n for n in archive.namelist() if n.endswith(".whl")}
    assert all(w.endswith("none-any.whl") for w in listed), "one zip for every platform"
    assert {*builder.ADDON_FILES, "LICENSE"} <= set(archive.namelist())
