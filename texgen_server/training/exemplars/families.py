# SPDX-License-Identifier: Apache-2.0
"""Reads the table of layout families: the repetition of each exemplar, the grid it is resampled to,
and its known faults.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from texgen.errors import InvalidRequestError
from texgen_server.layout import Family

CELL_PX = 8
"""Edge of a cell of the latent grid, in pixels of the exemplar's grid."""


@dataclass(frozen=True)
class Rows:
    """Rows or columns of a material that is laid in courses."""

    axis: str
    """Direction along which boundaries follow each other: "y" for horizontal courses, "x" for
    upright ones.
    """
    count: int
    equal: bool
    boundaries: tuple[float, ...]
    """Positions of the boundaries of unequal rows, as fractions of the tile, ascending, in [0, 1].
    """


@dataclass(frozen=True)
class Layout:
    """A row of the table: measurements of an exemplar's arrangement."""

    asset_id: str
    material_class: str
    family: Family
    stored_px: int
    grid_px: tuple[int, int]
    """Height and width that keep all stored detail; every period is a whole number of cells."""
    small_grid_px: tuple[int, int]
    """Height and width near 512 px, likewise."""
    rows: Rows | None
    group: tuple[int, int, int] | None
    """Lattice group b/a/j: {(r/b, (i + r j/b)/a) : r < b, i < a} of a tile."""
    copies: str
    directional: str
    flags: frozenset[str]
    quality: int
    """Grade from 1 to 5; exemplars below 3 stay out of random draws."""


def read_layouts(path: Path) -> dict[str, Layout]:
    """Read ``families.csv`` (columns as in the data's README); a layout for each asset id.

    Raises InvalidRequestError when the file is missing or a grid is not a multiple of `CELL_PX`.
    """
    if not path.is_file():
        raise InvalidRequestError(
            f"no {path.name} in {path.parent}: the data folder must hold materials.csv, "
            f"families.csv and classes.csv"
        )
    with path.open(newline="", encoding="utf-8") as file:
        return {row["asset_id"]: _layout(row) for row in csv.DictReader(file)}


def read_classes(path: Path) -> dict[str, str]:
    """Read ``classes.csv``: the first class that draws from, or holds back, each asset id."""
    found: dict[str, str] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for asset in f"{row['asset_ids']} {row['keep_out_of_random_draw_(quality<3)']}".split():
                found.setdefault(asset, row["class"])
    return found


def _layout(row: dict[str, str]) -> Layout:
    grid, small = _grid(row, "native_grid"), _grid(row, "grid_512")
    return Layout(
        asset_id=row["asset_id"],
        material_class=row["right_class"],
        family=Family(row["family"]),
        stored_px=int(row["stored_px"]),
        grid_px=grid,
        small_grid_px=small,
        rows=_rows(row),
        group=_group(row["group"]),
        copies=row["copies"],
        directional=row["directional"],
        flags=frozenset(row["flags"].split()),
        quality=int(row["quality"]),
    )


def _grid(row: dict[str, str], column: str) -> tuple[int, int]:
    width, height = (int(n) for n in row[column].split()[0].split("x"))
    if width % CELL_PX or height % CELL_PX:
        raise InvalidRequestError(
            f"families.csv: {row['asset_id']}: {column} {row[column]!r}: edges must be "
            f"multiples of {CELL_PX} px"
        )
    return height, width


def _group(text: str) -> tuple[int, int, int] | None:
    if not text:
        return None
    b, a, j = (int(n) for n in text.split("/"))
    return b, a, j


def _rows(row: dict[str, str]) -> Rows | None:
    if row["family"] != Family.ROWS or not row["row_axis"]:
        return None
    axis, equal = row["row_axis"], row["row_equal"] == "yes"
    count = int(row["n_rows" if axis == "y" else "n_cols"])
    stored = int(row["stored_px"])
    boundaries = (
        ()
        if equal
        else tuple(sorted(min(float(px) / stored, 1.0) for px in row["row_boundaries_px"].split()))
    )
    return Rows(axis, count, equal, boundaries)
