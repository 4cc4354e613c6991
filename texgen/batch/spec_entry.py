# SPDX-License-Identifier: Apache-2.0
"""Checks an entry of a spec and expands it to the sets that it describes."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from texgen.arguments import parse_class_mix, parse_size
from texgen.batch.item import Item, ItemRequest
from texgen.batch.spec_file import Entry
from texgen.errors import InvalidRequestError
from texgen.export.preset import load_preset
from texgen.maps import MAX_EDGE_PX
from texgen.provenance.watermark import MIN_EDGE_PX

TYPES: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "pattern": (str,),
    "class": (str,),
    "prompt": (str,),
    "recipe": (str,),
    "model": (str,),
    "preset": (str,),
    "detail": (str,),
    "count": (int,),
    "size": (int, str),
    "psi": (int, float),
    "preview": (bool,),
    "watermark": (bool,),
    "seeds": (int, str, list),
    "controls": (dict,),
}
"""Keys of an entry and the types of their values."""
TYPE_NAMES = {str: "text", int: "a whole number", float: "a number"}
_STEM = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
_RANGE = re.compile(r"^(\d+)\.\.(\d+)$")
_FIELD = re.compile(r"\{(\w+)\}")
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
_Parsed = TypeVar("_Parsed")


class SpecEntry:
    """An entry of the spec, checked; `items` expands its seeds and sweeps."""

    def __init__(self, entry: Entry, path: Path, preset: str) -> None:
        """Check the entry. Raises InvalidRequestError."""
        self.entry, self.path, self.preset = entry, path, preset
        if unknown := sorted(set(entry.values) - set(TYPES)):
            raise self._error(
                unknown[0], f"unknown key {unknown[0]!r}; there are {', '.join(sorted(TYPES))}"
            )
        sources = [k for k in ("class", "prompt", "recipe") if entry.values.get(k)]
        if len(sources) != 1:
            raise self._error(
                sources[0] if sources else "", "give class, prompt or recipe, one of the three"
            )
        self.source = sources[0]
        self._check_types()
        self._check_combinations()
        self.seeds: Sequence[int | None] = [None] if self.source == "recipe" else self._seeds()
        self.sweeps = self._sweeps()
        self.count = len(self.seeds) * math.prod(len(v) for v in self.sweeps.values())
        """Number of sets."""

    def _check_combinations(self) -> None:
        values = self.entry.values
        if self.source == "recipe" and (
            extra := [k for k in ("seeds", "count", "controls", "psi") if k in self.entry.own]
        ):
            raise self._error(
                extra[0],
                f"a recipe already says seed, psi, controls: {extra[0]} does not go with it",
            )
        if (
            values.get("watermark")
            and "size" in values
            and min(self._size(values["size"])) < MIN_EDGE_PX
        ):
            raise self._error(
                "watermark",
                f"a watermark needs {MIN_EDGE_PX} px on each side: size {values['size']!r} is "
                f"too small",
            )

    def items(self) -> Iterator[Item]:
        """Yield all sets of the entry, with names."""
        values, name, fixed = self.entry.values, self._name(), self._fixed_request()
        pattern = self._pattern()
        for seed in self.seeds:
            for variant, chosen in enumerate(itertools.product(*self.sweeps.values()), 1):
                controls = dict(zip(self.sweeps, chosen, strict=True))
                fields = {"name": name, "seed": seed, "variant": variant}
                stem = self._stem(pattern, fields | {k: f"{v:g}" for k, v in controls.items()})
                request: ItemRequest = {**fixed}
                if seed is not None:
                    request["seed"] = seed
                if controls:
                    request["controls"] = controls
                yield Item(
                    stem,
                    self.entry.line(),
                    request,
                    values.get("preset", self.preset),
                    bool(values.get("preview", False)),
                    bool(values.get("watermark", False)),
                    {k: v for k, v in controls.items() if len(self.sweeps[k]) > 1},
                )

    def _pattern(self) -> str:
        """Return the pattern of the names: by default name, seed and variant."""
        seed = "_{seed}" if self.source != "recipe" else ""
        variant = "_v{variant}" if self._swept() else ""
        return self.entry.values.get("pattern") or "{name}" + seed + variant

    def _fixed_request(self) -> ItemRequest:
        """Return the part of the request that all sets of the entry share."""
        values = self.entry.values
        request: ItemRequest = {}
        if "size" in values:
            request["size_px"] = self._size(values["size"])
        if self.source == "class":
            mix = self._parsed("class", lambda: parse_class_mix(values["class"]))
            request["classes"] = dict(mix)
        elif self.source == "prompt":
            request["prompt"] = values["prompt"]
        else:
            request["recipe"] = values["recipe"]
        if "model" in values:
            request["model"] = values["model"]
        if "psi" in values and self.source != "recipe":
            request["psi"] = values["psi"]
        if "detail" in values:
            request["detail"] = values["detail"]
        return request

    def _check_types(self) -> None:
        for key, value in self.entry.values.items():
            kinds = TYPES[key]
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                names = " or ".join(TYPE_NAMES.get(kind, kind.__name__) for kind in kinds)
                raise self._error(key, f"{key} must be {names}, not {value!r}")
        if preset := self.entry.values.get("preset"):
            self._parsed("preset", lambda: load_preset(preset))

    def _seeds(self) -> Sequence[int]:
        seeds, count = self.entry.values.get("seeds", 1), self.entry.values.get("count")
        if count is not None:
            if not isinstance(seeds, int) or count < 1:
                raise self._error(
                    "count",
                    "count is 1 or more and goes with a single seed, from which it counts up",
                )
            return range(seeds, seeds + count)
        if isinstance(seeds, str):
            match = _RANGE.match(seeds.replace(" ", ""))
            if match is None or int(match[1]) > int(match[2]):
                raise self._error(
                    "seeds",
                    f'seeds {seeds!r}: write a list such as [1, 2, 3], or a range such as "1..50"',
                )
            return range(int(match[1]), int(match[2]) + 1)
        listed = seeds if isinstance(seeds, list) else [seeds]
        if not listed or not all(
            isinstance(s, int) and not isinstance(s, bool) and 0 <= s < 2**63 for s in listed
        ):
            raise self._error("seeds", f"seeds {seeds!r}: whole numbers from 0 on")
        if len(set(listed)) < len(listed):
            raise self._error("seeds", "a seed stands twice in seeds")
        return listed

    def _sweeps(self) -> dict[str, list[float]]:
        """Return one or more values for each control."""
        sweeps: dict[str, list[float]] = {}
        for name, value in (self.entry.values.get("controls") or {}).items():
            listed = value if isinstance(value, list) else [value]
            if not listed or not all(
                isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
                for v in listed
            ):
                raise self._error(
                    "controls",
                    f"control {name}: {value!r}; write a number, or a list of numbers to sweep",
                )
            if len(set(listed)) < len(listed):
                raise self._error("controls", f"control {name}: a value stands twice in its sweep")
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
        raise self._error("recipe", "a recipe needs a name")

    def _stem(self, pattern: str, known: Mapping[str, str | int | None]) -> str:
        """Return the name of a set; it must be a plain file name."""
        if unknown := [f for f in _FIELD.findall(pattern) if f not in known or known[f] is None]:
            allowed = ", ".join(f"{{{k}}}" for k, v in known.items() if v is not None)
            raise self._error(
                "pattern", f"pattern {pattern!r} names {{{unknown[0]}}}; there are {allowed}"
            )
        stem = _FIELD.sub(lambda m: str(known[m[1]]), pattern)
        if not _STEM.match(stem) or ".." in stem or _RESERVED.match(stem):
            raise self._error(
                "name",
                f"the name {stem!r} is no plain file name: letters, digits, - _ and . without "
                f"folders, at most 100",
            )
        return stem

    def _size(self, size: int | str) -> tuple[int, int]:
        width, height = self._parsed("size", lambda: parse_size(str(size)))
        if not (0 < width <= MAX_EDGE_PX and 0 < height <= MAX_EDGE_PX):
            raise self._error("size", f"size {size!r}: 32 to {MAX_EDGE_PX} px")
        return width, height

    def _parsed(self, key: str, parse: Callable[[], _Parsed]) -> _Parsed:
        """Parse a value; an error gets the line of its key."""
        try:
            return parse()
        except InvalidRequestError as error:
            raise self._error(key, str(error)) from error

    def _error(self, key: str, why: str) -> InvalidRequestError:
        return spec_error(self.path, self.entry.line(key), why)


def spec_error(path: Path, line: int, why: str) -> InvalidRequestError:
    """Return the error of a line of the spec."""
    return InvalidRequestError(f"{path}, line {line}: {why}", "spec")
