# SPDX-License-Identifier: Apache-2.0
"""Lets the tests of whatever needs no torch run where it is not installed: in the Pythons of
`.ci/pythons`, with the extra ``server`` alone.
"""

from __future__ import annotations

import ast
import importlib.util
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
HERE = importlib.util.find_spec("torch") is None
TORCH = (
    "tests.tiny",
    "texgen_server.backends.torch_backend",
    "texgen_server.bench",
    "texgen_server.capture.fit",
    "texgen_server.capture.networks",
    "texgen_server.capture.search",
    "texgen_server.capture.target",
    "texgen_server.networks.codec",
    "texgen_server.networks.environment",
    "texgen_server.networks.estimator",
    "texgen_server.networks.frozen_features",
    "texgen_server.networks.image_statistics",
    "texgen_server.networks.layers",
    "texgen_server.networks.material",
    "texgen_server.networks.torch_parts",
    "texgen_server.networks.upscaler",
    "texgen_server.precision.autocast",
    "texgen_server.process.torch_guest",
    "texgen_server.training",
    "torch",
    "transformers",
)
"""Modules that import torch."""
MODELS = "TEXGEN_TEST_MODELS"


def models() -> Path:
    """Find the tiny models, which an environment with torch has written (``python -m tests.tiny
    FOLDER``).
    """
    folder = os.environ.get(MODELS)
    assert folder, (
        f"without torch the tests take ready-made models: python -m tests.tiny FOLDER "
        f"elsewhere, then {MODELS}=FOLDER"
    )
    return Path(folder)


def needs_torch(path: Path) -> bool:
    """Find out whether a file of tests imports torch, or anything else that is not installed here;
    itself, or by other files of tests.
    """
    if path.suffix != ".py":
        return False
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if any(_taken(name) for name in _imports(ast.walk(tree))):
        return True
    names = list(_imports(tree.body))
    others = [ROOT / f"{name.replace('.', '/')}.py" for name in names if name.startswith("tests.")]
    return any(importlib.util.find_spec(name.partition(".")[0]) is None for name in names) or any(
        map(needs_torch, filter(Path.is_file, others))
    )


def _imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names of the modules that are imported by statements among the nodes."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _taken(name: str) -> bool:
    return any(name == known or name.startswith(f"{known}.") for known in TORCH)


def serve_on_openvino() -> None:
    """Let tests that ask for the device ``torch``, which starts sooner, have OpenVINO."""
    from texgen_server import backends

    choose = backends._choose
    backends._choose = lambda device: choose("openvino" if device == "torch" else device)
