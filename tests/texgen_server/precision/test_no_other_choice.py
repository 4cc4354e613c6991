# SPDX-License-Identifier: Apache-2.0
"""No other module chooses a precision."""

from __future__ import annotations

import ast

import pytest

from tests.texgen_server.precision.processors import (
    ROOT,
)

pytestmark = pytest.mark.held


NAMES = {"bf16", "f32", "fp16", "f16", "bfloat16"}
"""No string like these outside of the room. (``float16`` is a type of pixels too.)"""


CHOICES = {
    "bfloat16",
    "autocast",
    "half",
    "set_float32_matmul_precision",
    "allow_tf32",
    "fp32_precision",
}
"""Nor anything of torch's by these names."""


def choices(source: str) -> list[str]:
    """Where a file chooses a precision by hand: names and types of the smaller ones, and torch's
    own contexts.
    """
    found = []
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CHOICES | NAMES | {"QUICK"}:
            found.append(f"{node.lineno}: .{node.attr}")
        if isinstance(node, ast.alias) and node.name == "QUICK":
            found.append(f"{node.lineno}: {node.name}")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES:
            found.append(f"{node.lineno}: {node.value!r}")
    return found


@pytest.mark.parametrize(
    "path",
    [p for p in (ROOT / "texgen_server").rglob("*.py") if p.parent.name != "precision"],
    ids=lambda p: p.stem,
)
def test_no_precision_is_chosen_by_hand(path):
    assert choices(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        'TorchBackend(model, "cpu", "bf16")',
        "with torch.autocast('cpu', torch.bfloat16):\n    pass",
        "network.to(torch.bfloat16)",
        "network.half()",
        'hints = {"INFERENCE_PRECISION_HINT": "f32"}',
        'hints = {"INFERENCE_PRECISION_HINT": ov.Type.bf16}',
        "torch.backends.cuda.matmul.allow_tf32 = True",
        'torch.backends.cudnn.conv.fp32_precision = "tf32"',
        "from texgen_server.precision.decision import QUICK",
        "TorchBackend(model, 'cpu', decision.QUICK)",
    ],
)
def test_a_choice_by_hand_is_caught(source):
    assert choices(source)
