# SPDX-License-Identifier: Apache-2.0
"""The naming rules of `conventions.toml` as lookup tables."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

RULES_FILE = Path(__file__).with_name("conventions.toml")
UNUSED = "unused:"
"""Prefix of the roles of maps that texgen does not use, such as ``unused:specular``."""


HOLDS = {
    "bump": "height",
    "gloss": "roughness",
    "normal_dx": "normal",
    "normal_gl": "normal",
}
"""Maps of roles that are not called like them."""


@dataclass(frozen=True)
class Conventions:
    """Words of map names, packings and preferences.

    A *role* is what a file of a set is: a map (``basecolor``, ``normal_dx``, ``gloss``), a packing
    (``orm``) or an unused map (``unused:specular``).
    """

    strong: dict[str, str]
    """Word -> role, for words that always name a map."""
    weak: dict[str, str]
    """Word -> role, for words that name a map only beside other maps of the same set."""
    packings: dict[str, dict[str, str]]
    """Packing -> {channel letter: map role}."""
    prefer: dict[str, tuple[str, ...]]
    """Map kind -> roles from best to worst."""
    containers: tuple[str, ...]
    """File types from best to worst, without the dot."""
    beside: dict[str, frozenset[str]]
    """Words beside the map word, by group: containers, workflows, depths."""


@cache
def conventions() -> Conventions:
    """Read the rules, once."""
    rules = tomllib.loads(RULES_FILE.read_text(encoding="utf-8"))
    strong: dict[str, str] = {}
    weak: dict[str, str] = {}
    for table in ("map", "packing"):
        for role, rule in rules[table].items():
            strong |= dict.fromkeys(rule.get("strong", ()), role)
            weak |= dict.fromkeys(rule.get("weak", ()), role)
    for role, words in rules["unused"].items():
        weak |= dict.fromkeys((w for w in words if w not in strong), UNUSED + role)
    prefer = {kind: tuple(roles) for kind, roles in rules["prefer"].items()}
    return Conventions(
        strong,
        weak,
        {name: dict(rule["channels"]) for name, rule in rules["packing"].items()},
        prefer,
        prefer.pop("containers"),
        {group: frozenset(words) for group, words in rules["beside"].items()},
    )


def map_of_role(role: str) -> str:
    """Return the map that a role holds, such as ``normal`` for ``normal_gl``; packings, unused maps
    and the map itself are returned unchanged.
    """
    return HOLDS.get(role, role)
