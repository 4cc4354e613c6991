# SPDX-License-Identifier: Apache-2.0
"""The arrows of the house, read from the source; and for each rule, that breaking it is caught."""

from __future__ import annotations

import ast
import gc
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BELOW = {
    "config": set(),
    "channels": set(),
    "canvas": set(),
    "layout": set(),
    "wave_layout": set(),
    "noise": set(),
    "networks": {"channels", "wave_layout"},
    "plan": {"canvas"},
    "sampling": {"canvas", "noise", "plan"},
    "fields": {"canvas", "channels", "wave_layout", "noise", "plan"},
    "finish": {"plan"},
    "environment": {"channels", "noise"},
    "registry": {"environment", "plan"},
    "previews": {"finish", "plan"},
    "drawing": {"backends", "channels", "environment", "noise", "previews"},
    "guide": {"canvas", "plan"},
    "backends": {"registry", "networks"},
    "features": {"networks"},
    "image_statistics": set(),
    "photo_layout": {"wave_layout", "plan"},
    "capture": {"canvas", "features", "fields", "image_statistics", "networks", "photo_layout", "plan", "registry", "sampling"},
    "prompt": set(),
    "recent": {"canvas", "finish", "plan"},
    "synthesis": {"backends", "canvas", "fields", "finish", "guide", "plan", "previews", "recent"},
    "upscaling": {"backends", "channels"},
    "relief": set(),
    "tiling": set(),
    "filling": {"backends", "channels", "finish", "relief"},
    "repair": {"backends", "filling", "tiling", "upscaling"},
    "engine": {
        "backends",
        "memory",
        "capture",
        "channels",
        "config",
        "drawing",
        "environment",
        "finish",
        "previews",
        "recent",
        "registry",
        "repair",
        "sampling",
        "synthesis",
        "upscaling",
    },
    "memory": set(),
    "tokens": set(),
    "cache": set(),
    "statistics": set(),
    "metrics": {"cache", "engine", "statistics"},
    "calls": set(),
    "traces": {"calls"},
    "logs": set(),
    "rpc": {
        "cache",
        "calls",
        "traces",
        "channels",
        "engine",
        "metrics",
        "statistics",
        "tokens",
        "filling",
        "memory",
        "repair",
        "synthesis",
        "upscaling",
        "sampling",
        "prompt",
        "config",
    },
    "training": {
        "drawing",
        "environment",
        "channels",
        "networks",
        "layout",
        "wave_layout",
        "sampling",
        "registry",
        "backends",
        "canvas",
        "fields",
        "guide",
        "synthesis",
        "upscaling",
        "relief",
        "filling",
        "finish",
        "tiling",
        "features",
        "capture",
        "image_statistics",
    },
    "bench": {
        "memory",
        "channels",
        "config",
        "engine",
        "networks",
        "sampling",
        "registry",
        "backends",
        "canvas",
        "fields",
        "synthesis",
        "upscaling",
    },
    "cli": {"config", "engine", "logs", "tokens", "rpc", "training", "bench", "backends"},
}
GRPC_DOORS = {
    "texgen/aio.py",
    "texgen/client.py",
    "texgen/connection.py",
    "texgen/pb/texgen_pb2_grpc.py",
    "texgen_server/bench/bare.py",  # measures gRPC itself
    "texgen_server/rpc",
}
LATE_DOORS = {
    "texgen/cli.py",
    "texgen/commands/connection.py",
    "texgen/__init__.py",
}  # may reach the server's commands and the embedded server, late


def parse(source: str) -> ast.Module:
    """The source's tree, with the collector off: CPython 3.11's and 3.12's parser counts its depth per process, so a
    collection that lets another thread print a traceback (which parses too) makes it fail (CPython issue 106905)."""
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        gc.enable()


def imports_of(source: str, path: str) -> list[str]:
    """Absolute names of everything a module imports, late imports included."""
    package = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".").split(".")
    if not path.endswith("__init__.py"):
        package = package[:-1]
    found = []
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found += [f"{module}.{alias.name}" for alias in node.names]
    return found


def violations(path: str, source: str) -> list[str]:
    """What one file does against the rules."""
    names = imports_of(source, path)
    tops = {n.split(".")[0] for n in names}
    wrong = []
    if path.startswith("texgen/"):
        if "torch" in tops:
            wrong.append("torch in the SDK")
        if tops & {"texgen_server", "blender_addon"} and path not in LATE_DOORS:
            wrong.append("the SDK imports the server")
    if path.startswith("blender_addon/") and "texgen_server" in tops:
        wrong.append("the add-on imports the server")
    if "bpy" in tops and not path.startswith("blender_addon/"):
        wrong.append("bpy outside the add-on")
    if tops & {"grpc", "grpc_status", "grpc_health", "grpc_reflection"} and not any(path.startswith(d) for d in GRPC_DOORS):
        wrong.append("grpc outside client and rpc")
    if "pickle" in tops or "torch.load" in source:
        wrong.append("pickle")
    if path.startswith("texgen_server/"):
        wrong += _server_arrows(path, names)
    return wrong


def _server_arrows(path: str, names: list[str]) -> list[str]:
    room = path.split("/")[1].removesuffix(".py")
    wrong = []
    for name in names:
        parts = name.split(".")
        if parts[0] == "texgen_server" and len(parts) > 1 and parts[1] not in {room, *BELOW.get(room, set())}:
            wrong.append(f"{room} imports {parts[1]}")
        if parts[:2] == ["texgen", "pb"] and room != "rpc":
            wrong.append(f"protobuf in {room}")
    return wrong


def sources() -> list[Path]:
    return [p for room in ("texgen", "texgen_server", "blender_addon") for p in (ROOT / room).rglob("*.py")]


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_one_way(path):
    relative = path.relative_to(ROOT).as_posix()
    assert violations(relative, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source", "rule"),
    [
        ("texgen/images.py", "import torch", "torch in the SDK"),
        ("texgen/images.py", "def f():\n    from torch import nn", "torch in the SDK"),
        ("texgen/recipe.py", "from texgen_server import config", "the SDK imports the server"),
        ("blender_addon/jobs.py", "import texgen_server.rpc", "the add-on imports the server"),
        ("texgen/maps.py", "import bpy", "bpy outside the add-on"),
        ("texgen_server/cli/serve.py", "import bpy", "bpy outside the add-on"),
        ("texgen/assembly.py", "import grpc", "grpc outside client and rpc"),
        ("texgen_server/engine/local.py", "from grpc import aio", "grpc outside client and rpc"),
        ("texgen_server/engine/local.py", "from texgen.pb import texgen_pb2", "protobuf in engine"),
        ("texgen_server/networks/layers.py", "from texgen_server.registry import load_material", "networks imports registry"),
        ("texgen_server/engine/local.py", "from ..rpc import service", "engine imports rpc"),
        ("texgen_server/rpc/service.py", "from texgen_server.training import loop", "rpc imports training"),
        ("texgen_server/registry.py", "import pickle", "pickle"),
    ],
)
def test_a_broken_rule_is_caught(path, source, rule):
    assert rule in violations(path, source)


def test_importing_the_client_needs_no_torch():
    import subprocess
    import sys

    code = "import texgen.client, texgen.cli, sys; sys.exit('torch' in sys.modules or 'texgen_server' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_importing_the_package_needs_no_grpc():
    """Blender imports it without grpcio."""
    import subprocess
    import sys

    code = "import texgen, texgen.assembly, texgen.recipe, sys; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
