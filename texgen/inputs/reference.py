# SPDX-License-Identifier: Apache-2.0
"""Writes the tables of docs/inputs.md from the naming rules.

python -m texgen.inputs.reference        # prints them
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence

from texgen.inputs.conventions import RULES_FILE


def tables() -> str:
    """Return the tables of maps, packings, preferences and publishers as Markdown."""
    rules = tomllib.loads(RULES_FILE.read_text(encoding="utf-8"))
    maps = [
        (f"`{role}`", rule["about"], _words(rule, "strong"), _words(rule, "weak"))
        for role, rule in rules["map"].items()
    ]
    packings = [
        (f"`{name}`", _channels(rule["channels"]), _words(rule, "strong"), _words(rule, "weak"))
        for name, rule in rules["packing"].items()
    ]
    unused = [(name, ", ".join(words)) for name, words in rules["unused"].items()]
    prefer = [
        (kind, ", ".join(f"`{role}`" for role in roles)) for kind, roles in rules["prefer"].items()
    ]
    publishers = [
        (p["name"], ", ".join(f"`{name}`" for name in p["example"][:4]), p["evidence"])
        for p in rules["publisher"]
    ]
    always, beside = "always names it", "names it beside other maps"
    return "\n\n".join(
        [
            _table(("map", "what it holds", always, beside), maps),
            _table(("packing", "channels", always, beside), packings),
            _table(("not used", "words"), unused),
            _table(("wanted", "read from, best first"), prefer),
            _table(("publisher or tool", "such as", "evidence"), publishers),
        ]
    )


def _words(rule: dict[str, list[str]], strength: str) -> str:
    return ", ".join(rule.get(strength, []))


def _channels(channels: dict[str, str]) -> str:
    return ", ".join(f"{letter.upper()} {held}" for letter, held in channels.items())


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines: list[tuple[str, ...]] = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(tables() + "\n")
