# SPDX-License-Identifier: Apache-2.0
"""A file of figures of each method on each scan: an interrupted measurement continues, and peers
are measured once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

Figures = dict[str, dict[str, float]]
"""Map -> name of a figure -> value."""
MEASURE_VERSION = 1
"""Version of the measurement, to be raised when it changes; figures of another one are not used."""


class FigureCache:
    """Figures in a file with one JSON object a line; an incomplete line is measured again."""

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
        """Return the figures of a method on a scan; calls ``measure`` where the file has none."""
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
                file.write("\n" * self._ends_within_line() + json.dumps(row) + "\n")
        return self._figures[key]

    def _ends_within_line(self) -> bool:
        """Return whether the file's last line is incomplete."""
        return (
            self.path.is_file()
            and self.path.stat().st_size > 0
            and not self.path.read_bytes().endswith(b"\n")
        )
