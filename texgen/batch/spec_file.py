# SPDX-License-Identifier: Apache-2.0
"""Reads spec files as tables that know their lines: TOML and JSON, both with ``defaults`` and
``set``, and CSV with one set in each row.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from texgen.errors import InvalidRequestError

SpecTable: TypeAlias = dict[str, Any]
"""A table of a spec; `texgen.batch.spec_entry` checks the types of its values."""
MAX_BYTES = 16 * 2**20
TOP_LEVEL_KEYS = {"defaults", "set"}
CONTROL_PREFIX = "control."
"""Prefix of CSV columns that hold a control: ``control.age``."""


@dataclass(frozen=True)
class Entry:
    """An entry of the spec, as it was written."""

    values: SpecTable
    """Values of its keys, with the defaults."""
    own: SpecTable
    """Values of its keys, without the defaults."""
    line: Callable[..., int]
    """Returns the line of the entry, or with a key the line of that key."""


def read_entries(path: Path) -> list[Entry]:
    """Read the entries of a spec.

    Raises InvalidRequestError for a file that cannot be read, has another format or unknown tables.
    """
    readers = {".toml": _toml, ".json": _json, ".csv": _csv}
    if path.suffix.lower() not in readers:
        raise InvalidRequestError(f"{path}: a spec is a .toml, .json or .csv file", "spec")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidRequestError(
                f"{path} has more than {MAX_BYTES} bytes: that is no spec", "spec"
            )
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidRequestError(
            f"cannot read the spec {path}: {error.strerror}", "spec"
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"the spec {path} is no UTF-8 text", "spec") from error
    return list(readers[path.suffix.lower()](text, path))


def _toml(text: str, path: Path) -> Iterator[Entry]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequestError(f"{path} is not valid TOML: {error}", "spec") from error
    lines = text.splitlines()
    starts = [
        number for number, line in enumerate(lines, 1) if re.match(r"\s*\[\[\s*set\s*\]\]", line)
    ]
    defaults_at = next(
        (n for n, line in enumerate(lines, 1) if re.match(r"\s*\[\s*defaults\s*\]", line)), 1
    )
    starts += (
        [1] * (len(document.get("set", [])) - len(starts))
        if isinstance(document.get("set"), list)
        else []
    )
    places = [
        _line_finder(
            lines, start, defaults_at, r'^\s*(?:\[\s*set\s*\.\s*)?["\']?{key}["\']?\s*[=.\]]'
        )
        for start in starts
    ]
    yield from _entries(document, path, places)


def _json(text: str, path: Path) -> Iterator[Entry]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InvalidRequestError(f"{path} is not valid JSON: {error}", "spec") from error
    places: list[Callable[..., int]] = []
    if found := re.search(r'"set"\s*:\s*\[', text):
        decoder, at, lines = json.JSONDecoder(), found.end(), text.splitlines()
        while True:
            at = re.compile(r"[\s,]*").match(text, at).end()  # type: ignore[union-attr]
            if at >= len(text) or text[at] == "]":
                break
            places.append(_line_finder(lines, text.count("\n", 0, at) + 1, 1, r'"{key}"\s*:'))
            _, at = decoder.raw_decode(text, at)
    yield from _entries(document, path, places)


def _csv(text: str, path: Path) -> Iterator[Entry]:
    reader = csv.DictReader(io.StringIO(text))
    for row in reader:
        number = reader.line_num
        if None in row or None in row.values():
            raise InvalidRequestError(
                f"{path}, line {number}: {len(reader.fieldnames or [])} columns are named, the "
                f"row has another count",
                "spec",
            )
        values: SpecTable = {}
        for name, cell in row.items():
            cell = cell.strip()
            if not cell:
                continue
            if name.startswith(CONTROL_PREFIX):
                values.setdefault("controls", {})[name.removeprefix(CONTROL_PREFIX)] = _numbers(
                    cell, name, path, number
                )
            else:
                values[name] = _cell(name, cell)
        yield Entry(values, values, lambda _key="", number=number: number)


def _cell(name: str, cell: str) -> str | float | bool | list[float]:
    """Convert a cell to the value that TOML would give."""
    if name in ("count", "psi") or (name == "seeds" and ".." not in cell):
        try:
            found = [json.loads(part) for part in cell.replace(";", " ").split()]
        except ValueError:
            return cell
        return found if name == "seeds" and len(found) > 1 else found[0]
    return (
        cell.lower() == "true"
        if name in ("preview", "watermark") and cell.lower() in ("true", "false")
        else cell
    )


def _numbers(cell: str, name: str, path: Path, line: int) -> float | list[float]:
    try:
        found = [float(part) for part in cell.replace(";", " ").split()]
    except ValueError as error:
        raise InvalidRequestError(
            f"{path}, line {line}: {name} {cell!r}; numbers, several with ; between them", "spec"
        ) from error
    return found[0] if len(found) == 1 else found


def _entries(document: SpecTable, path: Path, places: list[Callable[..., int]]) -> Iterator[Entry]:
    if not isinstance(document, dict) or (unknown := sorted(set(document) - TOP_LEVEL_KEYS)):
        what = f"unknown key {unknown[0]!r}" if isinstance(document, dict) else "no table"
        raise InvalidRequestError(
            f"{path}: {what}; a spec has defaults, and set once or more", "spec"
        )
    defaults, sets = document.get("defaults", {}), document.get("set", [])
    if (
        not isinstance(defaults, dict)
        or not isinstance(sets, list)
        or not all(isinstance(s, dict) for s in sets)
    ):
        raise InvalidRequestError(
            f"{path}: defaults is one table, and set a list of tables: write [[set]]", "spec"
        )
    for own, place in zip(sets, places, strict=True):
        values = defaults | own
        if isinstance(defaults.get("controls"), dict) and isinstance(own.get("controls"), dict):
            values["controls"] = defaults["controls"] | own["controls"]
        if "recipe" in own:
            values = {
                k: v
                for k, v in values.items()
                if k not in ("class", "prompt", "seeds", "count", "controls", "psi") or k in own
            }
        yield Entry(values, own, place)


def _line_finder(
    lines: list[str], start: int, defaults_at: int, pattern: str
) -> Callable[..., int]:
    """Return a function for the line of a set or of one of its keys: in the set, else in the
    defaults.
    """

    def line(key: str = "") -> int:
        if key:
            wanted = re.compile(pattern.replace("{key}", re.escape(key)))
            for first in (start, defaults_at):
                for number in range(first, len(lines) + 1):
                    if number > first and re.match(r"\s*\[(?!\s*set\s*\.)", lines[number - 1]):
                        break
                    if wanted.search(lines[number - 1]):
                        return number
        return start

    return line
