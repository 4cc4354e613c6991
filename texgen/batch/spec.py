# SPDX-License-Identifier: Apache-2.0
"""Reads a spec file (TOML, JSON or CSV): the sets to generate.

Everything that can be wrong in it is reported with its line, before any work.
"""

from __future__ import annotations

from pathlib import Path

from texgen.batch.item import Item
from texgen.batch.spec_entry import SpecEntry, spec_error
from texgen.batch.spec_file import read_entries
from texgen.errors import InvalidRequestError
from texgen.export.preset import load_preset

MAX_SETS = 100_000


def read_spec(path: Path, preset: str = "") -> list[Item]:
    """Return the items of a spec in its order; ``preset`` for those that name none.

    Raises InvalidRequestError naming file, line, what is wrong and what is allowed.
    """
    if preset:
        load_preset(preset)
    entries = [SpecEntry(entry, path, preset) for entry in read_entries(path)]
    _check_count(entries, path)
    items = [item for entry in entries for item in entry.items()]
    _check_names(items, path)
    if not items:
        raise InvalidRequestError(f"{path} holds no set: write at least one [[set]]", "spec")
    return items


def _check_count(entries: list[SpecEntry], path: Path) -> None:
    total = sum(entry.count for entry in entries)
    if total <= MAX_SETS:
        return
    largest = max(entries, key=lambda entry: entry.count)
    raise spec_error(
        path,
        largest.entry.line(),
        f"{total:,} sets are too many: at most {MAX_SETS:,} in one spec; this one makes "
        f"{largest.count:,}",
    )


def _check_names(items: list[Item], path: Path) -> None:
    by_name: dict[str, Item] = {}
    for item in items:
        other = by_name.setdefault(item.stem.lower(), item)
        if other is not item:
            raise spec_error(
                path,
                item.line,
                f"two sets are called {item.stem} (the other one: line {other.line}): give "
                f"one another name, or a pattern",
            )
