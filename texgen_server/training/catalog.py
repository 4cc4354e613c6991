# SPDX-License-Identifier: Apache-2.0
"""Reads the catalogue of training assets:

CSV, merge table of classes, split into training and validation.
"""

from __future__ import annotations

import csv
import hashlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from texgen.errors import InvalidRequestError

CLASSES_FILE = Path(__file__).with_name("material_classes.toml")
SPLIT_FILE = Path(__file__).with_name("material_split.csv")
MIN_ASSETS_PER_CLASS = 3
VALIDATION_SHARE = 0.1
OWN_LICENCE = "LicenseRef-own"
"""Licence of what `scans` imports: the user's own data, whose weights are the user's to license."""


@dataclass(frozen=True)
class Asset:
    """A CC0 material of the training data."""

    asset_id: str
    publisher: str
    material_class: str
    preset: bool
    licence: str
    metallic_default: float
    geometry_group: str
    source: str


def read_catalog(data: Path) -> list[Asset]:
    """Read ``data/materials.csv``, apply the merge table, sort by asset id.

    Raises InvalidRequestError when the file is missing, or an asset is neither CC0 nor the user's
    own.
    """
    path = data / "materials.csv"
    if not path.is_file():
        raise InvalidRequestError(
            f"no {path.name} in {data}: --data takes the folder that holds materials.csv and "
            f"materials/"
        )
    table = tomllib.loads(CLASSES_FILE.read_text(encoding="utf-8"))
    merge, presets = table["merge"], set(table["presets"]["classes"])
    with path.open(newline="", encoding="utf-8") as file:
        assets = [_asset(row, merge, presets) for row in csv.DictReader(file)]
    not_free = [
        a.asset_id
        for a in assets
        if not a.licence.upper().startswith("CC0") and a.licence != OWN_LICENCE
    ]
    if not_free:
        raise InvalidRequestError(
            f"these assets are not CC0 and may not be trained on: {', '.join(not_free)}"
        )
    return sorted(assets, key=lambda a: a.asset_id)


def _asset(row: dict[str, str], merge: dict[str, str], presets: set[str]) -> Asset:
    csv_class = row["class"]
    return Asset(
        asset_id=row["asset_id"],
        publisher=row["publisher"],
        material_class=merge.get(csv_class, csv_class),
        preset=csv_class in presets,
        licence=row["licence"],
        metallic_default=float(row["metallic_default"] or 0.0),
        geometry_group=row["geometry_group"] or row["asset_id"],
        source=row["source_repository"],
    )


def make_split(assets: list[Asset]) -> set[str]:
    """Return the asset ids of the validation part: about a tenth of each class, whole geometry
    groups, chosen by hash.

    A class keeps at least three training assets; presets are never held out.
    """
    held: set[str] = set()
    classes = sorted({a.material_class for a in assets if not a.preset})
    for name in classes:
        groups: dict[str, list[str]] = {}
        members = [a for a in assets if a.material_class == name and not a.preset]
        for asset in members:
            groups.setdefault(asset.geometry_group, []).append(asset.asset_id)
        budget = min(
            round(len(members) * VALIDATION_SHARE + 0.2), len(members) - MIN_ASSETS_PER_CLASS
        )
        for group in sorted(groups, key=lambda g: hashlib.sha256(g.encode()).digest()):
            if len(groups[group]) <= budget:
                held.update(groups[group])
                budget -= len(groups[group])
    return held


def read_split(path: Path = SPLIT_FILE) -> set[str]:
    """Read the asset ids of the committed validation part."""
    with path.open(newline="", encoding="utf-8") as file:
        return {row["asset_id"] for row in csv.DictReader(file) if row["part"] == "validation"}


def split_rows(assets: list[str], held: set[str]) -> tuple[list[int], list[int]]:
    """Return the rows of a pack's assets to train on, and those that are held out."""
    rows = range(len(assets))
    return [i for i in rows if assets[i] not in held], [i for i in rows if assets[i] in held]


def write_parts(
    path: Path, held: set[str], rows: Iterable[tuple[str, str, str]], grouped_by: str
) -> None:
    """Write a split file: asset id, class and group of every asset, and the part that it is in."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["asset_id", "class", grouped_by, "part"])
        writer.writerows([*row, "validation" if row[0] in held else "train"] for row in rows)


def write_split(assets: list[Asset]) -> None:
    """Write the committed split file from `make_split`."""
    rows = ((a.asset_id, a.material_class, a.geometry_group) for a in assets)
    write_parts(SPLIT_FILE, make_split(assets), rows, "geometry_group")
