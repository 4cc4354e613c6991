# SPDX-License-Identifier: Apache-2.0
"""The arrows of the house, read from the source; and for each rule, that breaking it is caught."""

from __future__ import annotations

import ast
import gc
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NETWORK_WORDS = {"networks.channels", "networks.params", "networks.waves"}
"""What of `networks` needs no torch: names and sizes, shared by all that feed a network."""
BELOW = {
    "config": set(),
    "noise": set(),
    "tokens": set(),
    "bank": set(),
    "cache": set(),
    "cache_folder": set(),
    "process": set(),
    "layout": set(),
    "precision": {"process.openvino_loader"},
    "networks": {"precision"},
    "graphs": {"process.quiet_openvino", *NETWORK_WORDS},
    "prompt": {"process.torch_guest"},
    "registry": {"environment", "material.plan", *NETWORK_WORDS},
    "backend": set(),
    "backends": {"backend", "graphs", "networks", "precision", "process", "registry"},
    "upscaling": {"backend", *NETWORK_WORDS},
    "material": {"backend", "noise", *NETWORK_WORDS},
    "environment": {"backend", "noise", *NETWORK_WORDS},
    "capture": {"material", "networks", "precision", "process.torch_guest", "registry"},
    "repair": {"backend", "material", "upscaling", *NETWORK_WORDS},
    "engine": {
        "backend",
        "backends",
        "cache_folder",
        "capture",
        "config",
        "environment",
        "material",
        "process",
        "registry",
        "repair",
        "upscaling",
        *NETWORK_WORDS,
    },
    "observability": {"cache", "engine"},
    "rpc": {
        "cache",
        "cache_folder",
        "capture.options",
        "config",
        "engine",
        "material",
        "observability",
        "process",
        "prompt",
        "repair",
        "tokens",
        "upscaling",
        *NETWORK_WORDS,
    },
    "training": {
        "backend",
        "backends",
        "bank",
        "capture",
        "environment",
        "layout",
        "material",
        "networks",
        "noise",
        "precision",
        "registry",
        "repair",
        "upscaling",
    },
    "bench": {
        "backend",
        "backends",
        "config",
        "engine",
        "material",
        "networks",
        "precision",
        "process",
        "registry",
        "upscaling",
    },
    "cli": {
        "backends",
        "bench",
        "config",
        "engine",
        "observability",
        "process",
        "rpc",
        "tokens",
        "training",
    },
}
GRPC = {"grpc", "grpc_status", "grpc_health", "grpc_reflection"}
GRPC_DOORS = {
    "texgen/client/",
    "texgen/pb/texgen_pb2_grpc.py",
    "texgen_server/bench/bare.py",  # measures gRPC itself
    "texgen_server/rpc",
}
TORCH_ROOMS = {
    "texgen_server/backends/__init__.py",  # asks it for CUDA devices
    "texgen_server/backends/torch_backend.py",
    "texgen_server/bench/",
    "texgen_server/capture/fit.py",
    "texgen_server/capture/networks.py",
    "texgen_server/capture/search.py",
    "texgen_server/capture/target.py",
    "texgen_server/networks/codec.py",
    "texgen_server/networks/environment.py",
    "texgen_server/networks/estimator.py",
    "texgen_server/networks/frozen_features.py",
    "texgen_server/networks/image_statistics.py",
    "texgen_server/networks/layers.py",
    "texgen_server/networks/material.py",
    "texgen_server/networks/torch_parts.py",
    "texgen_server/networks/upscaler.py",
    "texgen_server/precision/autocast.py",
    # asks it for its threads and for what a CUDA device can do
    "texgen_server/precision/decision.py",
    "texgen_server/process/torch_guest.py",
    "texgen_server/prompt.py",
    "texgen_server/training/",
}  # all else serves on a CPU without it
DOORS = {
    "grpc outside client and rpc": (GRPC, GRPC_DOORS),
    "bpy outside the add-on": ({"bpy"}, {"blender_addon/"}),
    "openvino with its telemetry": ({"openvino"}, {"texgen_server/process/openvino_loader.py"}),
    "torch where a CPU serves": ({"torch"}, TORCH_ROOMS),
}
"""Rule -> modules, and where alone they may be imported."""
LATE_DOORS = {
    "texgen/cli.py",
    "texgen/commands/shared.py",
    "texgen/__init__.py",
}  # may reach the server's commands and the embedded server, late


def parse(source: str) -> ast.Module:
    """The source's tree, with the collector off: CPython 3.11's and 3.12's parser counts its depth
    per process, so a collection that lets another thread print a traceback (which parses too)
    makes it fail (CPython issue 106905).
    """
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
    if (
        path.startswith("texgen/")
        and tops & {"texgen_server", "blender_addon"}
        and path not in LATE_DOORS
    ):
        wrong.append("the SDK imports the server")
    if path.startswith("blender_addon/") and "texgen_server" in tops:
        wrong.append("the add-on imports the server")
    wrong += [
        rule
        for rule, (modules, doors) in DOORS.items()
        if tops & modules and not any(path.startswith(door) for door in doors)
    ]
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
        if (
            parts[0] == "texgen_server"
            and len(parts) > 1
            and not {parts[1], ".".join(parts[1:3])} & {room, *BELOW.get(room, set())}
        ):
            wrong.append(f"{room} imports {parts[1]}")
        if parts[:2] == ["texgen", "pb"] and room != "rpc":
            wrong.append(f"protobuf in {room}")
    return wrong


def sources() -> list[Path]:
    return [
        p
        for room in ("texgen", "texgen_server", "blender_addon")
        for p in (ROOT / room).rglob("*.py")
    ]


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_one_way(path):
    relative = path.relative_to(ROOT).as_posix()
    assert violations(relative, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source", "rule"),
    [
        ("texgen/files/images.py", "import torch", "torch where a CPU serves"),
        (
            "texgen/files/images.py",
            "def f():\n    from torch import nn",
            "torch where a CPU serves",
        ),
        (
            "texgen/recipes/recipe.py",
            "from texgen_server import config",
            "the SDK imports the server",
        ),
        ("blender_addon/jobs.py", "import texgen_server.rpc", "the add-on imports the server"),
        ("texgen/maps.py", "import bpy", "bpy outside the add-on"),
        ("texgen_server/cli/serve.py", "import bpy", "bpy outside the add-on"),
        ("texgen/wire/assembly.py", "import grpc", "grpc outside client and rpc"),
        ("texgen_server/engine/local.py", "from grpc import aio", "grpc outside client and rpc"),
        ("texgen_server/engine/local.py", "from texgen.pb import texgen_pb2", "protobuf in engine"),
        (
            "texgen_server/networks/layers.py",
            "from texgen_server.registry import load_material",
            "networks imports registry",
        ),
        ("texgen_server/engine/local.py", "from ..rpc import service", "engine imports rpc"),
        (
            "texgen_server/rpc/service.py",
            "from texgen_server.training import loop",
            "rpc imports training",
        ),
        ("texgen_server/registry.py", "import pickle", "pickle"),
        ("texgen_server/graphs/layers.py", "import torch", "torch where a CPU serves"),
        (
            "texgen_server/graphs/layers.py",
            "from openvino import opset13",
            "openvino with its telemetry",
        ),
        (
            "texgen_server/engine/runners.py",
            "def f():\n    import torch",
            "torch where a CPU serves",
        ),
        (
            "texgen_server/graphs/layers.py",
            "from texgen_server.networks.layers import upsample",
            "graphs imports networks",
        ),
    ],
)
def test_a_broken_rule_is_caught(path, source, rule):
    assert rule in violations(path, source)


def test_importing_the_client_needs_no_torch():
    import subprocess
    import sys

    code = (
        "import texgen.client, texgen.cli, sys; sys.exit('torch' in sys.modules or "
        "'texgen_server' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_importing_the_package_needs_no_grpc():
    """Blender imports it without grpcio."""
    import subprocess
    import sys

    code = (
        "import texgen, texgen.wire.assembly, texgen.recipes.recipe, sys; sys.exit('grpc' "
        "in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
