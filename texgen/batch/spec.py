# SPDX-License-Identifier: Apache-2.0
"""A spec file (TOML, JSON or CSV) -> the sets to make.

Everything that can be wrong in it is told with its line, before any work.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from texgen.arguments import parse_class_mix, parse_size
from texgen.batch.reading import Entry, read_entries
from texgen.errors import InvalidRequestError
from texgen.export.preset import load_preset
from texgen.maps import MAX_EDGE_PX
from texgen.provenance.watermark import MIN_EDGE_PX

MOST_SETS = 100_000
KEYS = {
    "name",
    "pattern",
    "class",
    "prompt",
    "recipe",
    "model",
    "seeds",
    "count",
    "size",
    "controls",
    "psi",
    "preset",
    "detail",
    "preview",
    "watermark",
}
_STEM = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
_RANGE = re.compile(r"^(\d+)\.\.(\d+)$")
_FIELD = re.compile(r"\{(\w+)\}")
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Item:
    """One set to make."""

    stem: str
    line: int
    """Of the spec."""
    request: Mapping[str, Any]
    """Arguments of `Client.generate`, but maps and encoding."""
    preset: str = ""
    preview: bool = False
    watermark: bool = False
    """An invisible mark in the basecolor."""
    sweep: Mapping[str, float] = field(default_factory=dict)
    """Values of the controls that are swept."""


def read_spec(path: Path, preset: str = "") -> list[Item]:
    """The items of a spec in its order; ``preset`` for those that name none.

    Raises InvalidRequestError naming file, line, what is wrong and what is allowed.
    """
    entries = read_entries(path)
    if preset:
        load_preset(preset)
    counts = [_Plan(entry, path, preset) for entry in entries]
    total = sum(plan.count for plan in counts)
    if total > MOST_SETS:
        largest = max(counts, key=lambda plan: plan.count)
        raise _wrong(
            path,
            largest.entry.line(),
            f"{total:,} sets are too many: at most {MOST_SETS:,} in one spec; this one makes "
            f"{largest.count:,}",
        )
    items = [item for plan in counts for item in plan.items()]
    seen: dict[str, Item] = {}
    for item in items:
        if (other := seen.setdefault(item.stem.lower(), item)) is not item:
            why = (
                f"two sets are called {item.stem} (the other one: line {other.line}): give "
                f"one another name, or a pattern"
            )
            raise _wrong(path, item.line, why)
    if not items:
        raise InvalidRequestError(f"{path} holds no set: write at least one [[set]]", "spec")
    return items


class _Plan:
    """One entry of the spec, checked but for what must be counted first."""

    def __init__(self, entry: Entry, path: Path, preset: str) -> None:
        self.entry, self.path, self.preset, values = entry, path, preset, entry.values
        if unknown := sorted(set(values) - KEYS):
            raise self._bad(
                unknown[0], f"unknown key {unknown[0]!r}; there are {', '.join(sorted(KEYS))}"
            )
        sources = [k for k in ("class", "prompt", "recipe") if values.get(k)]
        if len(sources) != 1:
            raise self._bad(
                sources[0] if sources else "", "give class, prompt or recipe, one of the three"
            )
        self.source = sources[0]
        self._check_types()
        if self.source == "recipe" and (
            extra := [k for k in ("seeds", "count", "controls", "psi") if k in entry.own]
        ):
            raise self._bad(
                extra[0],
                f"a recipe already says seed, psi, controls: {extra[0]} does not go with it",
            )
        if (
            values.get("watermark")
            and "size" in values
            and min(self._size(values["size"])) < MIN_EDGE_PX
        ):
            raise self._bad(
                "watermark",
                f"a watermark needs {MIN_EDGE_PX} px on each side: size {values['size']!r} is "
                f"too small",
            )
        self.seeds: Sequence[int | None] = [None] if self.source == "recipe" else self._seeds()
        self.sweeps = self._sweeps()
        self.count = len(self.seeds) * math.prod(len(v) for v in self.sweeps.values())

    def items(self) -> Iterator[Item]:
        """All of them, with names."""
        values, name = self.entry.values, self._name()
        fixed = self._fixed()
        pattern = values.get("pattern") or "{name}" + (
            "_{seed}" if self.source != "recipe" else ""
        ) + ("_v{variant}" if self._swept() else "")
        for seed in self.seeds:
            for variant, chosen in enumerate(itertools.product(*self.sweeps.values()), 1):
                controls = dict(zip(self.sweeps, chosen, strict=True))
                stem = self._stem(
                    pattern,
                    {
                        "name": name,
                        "seed": seed,
                        "variant": variant,
                        **{k: f"{v:g}" for k, v in controls.items()},
                    },
                )
                request = (
                    fixed
                    | ({"seed": seed} if seed is not None else {})
                    | ({"controls": controls} if controls else {})
                )
                swept = {k: v for k, v in controls.items() if len(self.sweeps[k]) > 1}
                preview, watermark = (
                    bool(values.get("preview", False)),
                    bool(values.get("watermark", False)),
                )
                yield Item(
                    stem,
                    self.entry.line(),
                    request,
                    values.get("preset", self.preset),
                    preview,
                    watermark,
                    swept,
                )

    def _fixed(self) -> dict[str, Any]:
        values = self.entry.values
        request: dict[str, Any] = (
            {"size_px": self._size(values["size"])} if "size" in values else {}
        )
        if self.source == "class":
            request["classes"] = dict(
                self._parsed("class", lambda: parse_class_mix(values["class"]))
            )
        else:
            request[self.source] = values[self.source]
        return request | {
            k: values[k]
            for k in ("model", "psi", "detail")
            if k in values and not (k == "psi" and self.source == "recipe")
        }

    def _check_types(self) -> None:
        kinds: dict[str, tuple[type, ...]] = {
            **dict.fromkeys(
                ("name", "pattern", "class", "prompt", "recipe", "model", "preset", "detail"),
                (str,),
            ),
            "count": (int,),
            "size": (int, str),
            "psi": (int, float),
            "preview": (bool,),
            "watermark": (bool,),
            "seeds": (int, str, list),
            "controls": (dict,),
        }
        for key, value in self.entry.values.items():
            if not isinstance(value, kinds[key]) or (
                isinstance(value, bool) and bool not in kinds[key]
            ):
                names = " or ".join(
                    {str: "text", int: "a whole number", float: "a number"}.get(k, k.__name__)
                    for k in kinds[key]
                )
                raise self._bad(key, f"{key} must be {names}, not {value!r}")
        if preset := self.entry.values.get("preset"):
            self._parsed("preset", lambda: load_preset(preset))

    def _seeds(self) -> Sequence[int]:
        seeds, count = self.entry.values.get("seeds", 1), self.entry.values.get("count")
        if count is not None:
            if not isinstance(seeds, int) or count < 1:
                raise self._bad(
                    "count",
                    "count is 1 or more and goes with a single seed, from which it counts up",
                )
            return range(seeds, seeds + count)
        if isinstance(seeds, str):
            match = _RANGE.match(seeds.replace(" ", ""))
            if match is None or int(match[1]) > int(match[2]):
                raise self._bad(
                    "seeds",
                    f'seeds {seeds!r}: write a list such as [1, 2, 3], or a range such as "1..50"',
                )
            return range(int(match[1]), int(match[2]) + 1)
        listed = seeds if isinstance(seeds, list) else [seeds]
        if not listed or not all(
            isinstance(s, int) and not isinstance(s, bool) and 0 <= s < 2**63 for s in listed
        ):
            raise self._bad("seeds", f"seeds {seeds!r}: whole numbers from 0 on")
        if len(set(listed)) < len(listed):
            raise self._bad("seeds", "a seed stands twice in seeds")
        return listed

    def _sweeps(self) -> dict[str, list[float]]:
        """Control -> its values, one or more."""
        sweeps: dict[str, list[float]] = {}
        for name, value in (self.entry.values.get("controls") or {}).items():
            listed = value if isinstance(value, list) else [value]
            if not listed or not all(
                isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
                for v in listed
            ):
                raise self._bad(
                    "controls",
                    f"control {name}: {value!r}; write a number, or a list of numbers to sweep",
                )
            if len(set(listed)) < len(listed):
                raise self._bad("controls", f"control {name}: a value stands twice in its sweep")
            sweeps[name] = [float(v) for v in listed]
        return sweeps

    def _swept(self) -> bool:
        return any(len(values) > 1 for values in self.sweeps.values())

    def _name(self) -> str:
        given = self.entry.values.get("name")
        if given:
            return str(given)
        if self.source == "class":
            return "-".join(name for name, _ in parse_class_mix(self.entry.values["class"]))
        if self.source == "prompt":
            return re.sub(r"[^a-z0-9]+", "_", self.entry.values["prompt"].lower()).strip("_")[:40]
        raise self._bad("recipe", "a recipe needs a name")

    def _stem(self, pattern: str, known: Mapping[str, Any]) -> str:
        if unknown := [f for f in _FIELD.findall(pattern) if f not in known or known[f] is None]:
            allowed = ", ".join(f"{{{k}}}" for k, v in known.items() if v is not None)
            raise self._bad(
                "pattern", f"pattern {pattern!r} names {{{unknown[0]}}}; there are {allowed}"
            )
        stem = _FIELD.sub(lambda m: str(known[m[1]]), pattern)
        if not _STEM.match(stem) or ".." in stem or _RESERVED.match(stem):
            raise self._bad(
                "name",
                f"the name {stem!r} is no plain file name: letters, digits, - _ and . without "
                f"folders, at most 100",
            )
        return stem

    def _size(self, size: int | str) -> tuple[int, int]:
        width, height = self._parsed("size", lambda: parse_size(str(size)))
        if not (0 < width <= MAX_EDGE_PX and 0 < height <= MAX_EDGE_PX):
            raise self._bad("size", f"size {size!r}: 32 to {MAX_EDGE_PX} px")
        return width, height

    def _parsed(self, key: str, work: Any) -> Any:
        try:
            return work()
        except InvalidRequestError as error:
            raise self._bad(key, str(error)) from error

    def _bad(self, key: str, why: str) -> InvalidRequestError:
        return _wrong(self.path, self.entry.line(key), why)


def _wrong(path: Path, line: int, why: str) -> InvalidRequestError:
    return InvalidRequestError(f"{path}, line {line}: {why}", "spec")
