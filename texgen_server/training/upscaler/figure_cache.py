# SPDX-License-Identifier: Apache-2.0
"""Figures of one method on one scan, kept in a file as they come: a measurement that was cut off
goes on, and peers are run once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

Figures = dict[str, dict[str, float]]
"""Map -> name of a figure -> value."""
MEASURE_VERSION = 1
"""To be raised when what is measured changes: figures kept under another one are not used."""


class KeptFigures:
    """A JSON object a line; a line that was cut off is measured again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._figures: dict[tuple[str, int, str], Figures] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            if row["version"] == MEASURE_VERSION:
                self._figures[row["method"], row["scale"], row["scan"]] = row["figures"]

    def get(self, method: str, scale: int, scan: str, measure: Callable[[], Figures]) -> Figures:
        """The kept figures of this method on this scan; else measured now, and kept."""
        key = (method, scale, scan)
        if key not in self._figures:
            self._figures[key] = measure()
            row = {
                "version": MEASURE_VERSION,
                "method": method,
                "scale": scale,
                "scan": scan,
                "figures": self._figures[key],
            }
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n" * self._cut_off() + json.dumps(row) + "\n")
        return self._figures[key]

    def _cut_off(self) -> bool:
        """Whether the file ends within a line."""
        return (
            self.path.is_file()
            and self.path.stat().st_size > 0
            and not self.path.read_bytes().endswith(b"\n")
        )
