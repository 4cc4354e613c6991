# SPDX-License-Identifier: Apache-2.0
"""Splits exemplars into training and validation: the committed split of the first assets, extended
by the same rule to later ones.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from texgen_server.training.catalog import SPLIT_FILE, Asset, make_split, read_split, write_parts

EXEMPLAR_SPLIT_FILE = Path(__file__).with_name("split.csv")


def read_validation() -> set[str]:
    """Read the asset ids that are held out."""
    return read_split(EXEMPLAR_SPLIT_FILE)


def extend_split(assets: list[Asset], classes: dict[str, str], near_duplicates: Path) -> set[str]:
    """Asset ids of the validation part: the committed ones, and about a tenth of each class of the
    assets that the committed split lacks.

    Near-duplicates and assets of one geometry group stay together; a group that reaches into the
    committed split follows it. ``classes`` gives the class of each asset, ``near_duplicates`` is
    the CSV of pairs.
    """
    with SPLIT_FILE.open(newline="", encoding="utf-8") as file:
        committed = {row["asset_id"]: row["part"] for row in csv.DictReader(file)}
    group = _groups(assets, _pairs(near_duplicates))
    held_groups = {group[a] for a, part in committed.items() if part == "validation" and a in group}
    trained_groups = {
        group[a] for a, part in committed.items() if part != "validation" and a in group
    }
    new = [a for a in assets if a.asset_id not in committed]
    free = [
        replace(
            a,
            geometry_group=group[a.asset_id],
            material_class=classes.get(a.asset_id, a.material_class),
            preset=False,
        )
        for a in new
        if group[a.asset_id] not in held_groups | trained_groups
    ]
    held = {a for a, part in committed.items() if part == "validation"} | make_split(free)
    return held | {a.asset_id for a in new if group[a.asset_id] in held_groups - trained_groups}


def write_exemplar_split(
    assets: list[Asset], classes: dict[str, str], near_duplicates: Path
) -> None:
    """Write the committed file."""
    held = extend_split(assets, classes, near_duplicates)
    rows = (
        (a.asset_id, classes.get(a.asset_id, a.material_class), a.geometry_group) for a in assets
    )
    write_parts(EXEMPLAR_SPLIT_FILE, held, rows, "geometry_group")


def _pairs(path: Path) -> Iterable[tuple[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["asset_id"], row["near_duplicate_of"]) for row in csv.DictReader(file)]


def _groups(assets: list[Asset], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return for each asset the smallest asset id that it is joined with, by geometry group or as a
    near-duplicate.
    """
    root = {a.asset_id: a.asset_id for a in assets}

    def find(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    first: dict[str, str] = {}
    links = [(a.asset_id, first.setdefault(a.geometry_group, a.asset_id)) for a in assets]
    for one, other in [*links, *pairs]:
        if one in root and other in root:
            low, high = sorted((find(one), find(other)))
            root[high] = low
    return {name: find(name) for name in root}
