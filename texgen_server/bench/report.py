# SPDX-License-Identifier: Apache-2.0
"""Results of benches as text."""

from __future__ import annotations

import json
from typing import Any


def table(result: dict[str, Any], *, as_json: bool) -> str:
    """Return one JSON object, or rows in columns followed by everything else."""
    if as_json:
        return json.dumps(result) + "\n"
    rows = result["rows"]
    names = list(dict.fromkeys(key for row in rows for key in row))
    cells = [names, *([str(row.get(name, "")) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    for key, value in result.items():
        if key == "rows":
            continue
        if isinstance(value, dict):
            lines += ["", key, *(f"  {name}: {_plain(entry)}" for name, entry in value.items())]
        else:
            lines += ["", f"{key}: {value}"]
    return "\n".join(lines) + "\n"


def _plain(entry: Any) -> str:
    return (
        ", ".join(f"{k} {v}" for k, v in entry.items()) if isinstance(entry, dict) else str(entry)
    )


def promise(what: str, measured: float, limit: float, unit: str, **about: Any) -> dict[str, Any]:
    """Return the row of a promise: ``measured`` is at most ``limit``, or at least ``-limit`` where
    the limit is negative. ``about`` are notes.
    """
    holds = measured <= limit if limit >= 0 else measured >= -limit
    bound = f"<= {limit:.4g}" if limit >= 0 else f">= {-limit:.4g}"
    notes = ", ".join(f"{k} {v}" for k, v in about.items())
    return {
        "what": what,
        "measured": round(measured, 3),
        "promised": bound,
        "unit": unit,
        "holds": "yes" if holds else "NO",
        "notes": notes,
    }
