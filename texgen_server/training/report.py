# SPDX-License-Identifier: Apache-2.0
"""Results of evaluations as text."""

from __future__ import annotations

import json
from typing import Any

KEY_COLUMNS = 44
"""Width of the column of names."""


def report(result: dict[str, Any], *, as_json: bool) -> str:
    """Return a result as one JSON object, or as an indented table."""
    if as_json:
        return json.dumps(result) + "\n"
    return "\n".join(_lines(result, 0)) + "\n"


def _lines(value: dict[str, Any], depth: int) -> list[str]:
    out = []
    for key, item in value.items():
        if isinstance(item, dict):
            out += ["  " * depth + key, *_lines(item, depth + 1)]
        else:
            out.append(f"{'  ' * depth}{key:<{KEY_COLUMNS - 2 * depth}}{_text(item)}")
    return out


def _text(item: Any) -> str:
    if isinstance(item, float):
        return f"{item:.4g}"
    if isinstance(item, tuple):
        return ", ".join(f"{v:.3f}" for v in item)
    return str(item)
