# SPDX-License-Identifier: Apache-2.0
"""Rules of the families of materials: the group of offsets by which a cell may be moved inside its
exemplar.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int32]


class Family(StrEnum):
    """How the parts of a material are arranged."""

    STOCHASTIC = "S"
    IRREGULAR = "I"
    ROWS = "L1"
    LATTICE = "L2"
    FIGURE = "V"
    FLAT = "F"


@dataclass(frozen=True)
class Rule:
    """Family of an exemplar and, for rows and lattices, the offsets that keep it in order."""

    family: Family
    row_axis: str = ""
    """"y" for courses that follow each other downwards, "x" for upright ones, "" for none."""
    row_count: int = 1
    """Courses of equal height in a tile; 1 where they differ, so that none may take another's
    place.
    """
    group: tuple[int, int, int] | None = None
    """Lattice group b/a/j: {(r/b, (i + r j/b)/a) : r < b, i < a} of a tile."""

    @property
    def free(self) -> bool:
        """Tell whether every offset is allowed."""
        return self.group is None and not self.row_axis


def allowed_offsets(rule: Rule, shape: tuple[int, int]) -> Integers:
    """List the group of allowed offsets (g, 2) as (down, right) in cells modulo ``shape`` (rows,
    columns), ascending, with (0, 0) first.

    Of a lattice that does not fall on whole cells only what does is kept; that is a group again.
    """
    return _allowed(rule, shape)


@lru_cache(maxsize=64)
def _allowed(rule: Rule, shape: tuple[int, int]) -> Integers:
    rows, columns = shape
    if rule.group is not None:
        found = _lattice(rule.group, shape)
    else:
        down = _steps(rows, rule.row_count) if rule.row_axis == "y" else range(rows)
        right = _steps(columns, rule.row_count) if rule.row_axis == "x" else range(columns)
        found = [(y, x) for y in down for x in right]
    out = np.asarray(sorted(set(found)), np.int32).reshape(-1, 2)
    out.setflags(write=False)
    return out


def _steps(cells: int, count: int) -> list[int]:
    """List the multiples of ``cells / count`` that are whole."""
    return [q * cells // count for q in range(count) if q * cells % count == 0]


def _lattice(group: tuple[int, int, int], shape: tuple[int, int]) -> list[tuple[int, int]]:
    (b, a, j), (rows, columns) = group, shape
    places = [(r * rows, b, (i * b + r * j) * columns, a * b) for r in range(b) for i in range(a)]
    return [(y // b_, x // ab % columns) for y, b_, x, ab in places if y % b_ == 0 and x % ab == 0]


def lattice_offsets(group: tuple[int, int, int], shape: tuple[int, int]) -> Integers:
    """List the offsets (g, 2) of a lattice group b/a/j that fall on whole cells."""
    return allowed_offsets(Rule(Family.LATTICE, group=group), shape)


def is_group(offsets: Integers, shape: tuple[int, int]) -> bool:
    """Check that sums of offsets are offsets."""
    codes = offsets[:, 0].astype(np.int64) * shape[1] + offsets[:, 1]
    sums = (offsets[:, None] + offsets[None]).astype(np.int64) % np.asarray(shape)
    return bool(np.isin(sums[..., 0] * shape[1] + sums[..., 1], codes).all())


def fitting_size(rule: Rule, shape: tuple[int, int], size: tuple[int, int]) -> bool:
    """Tell whether a torus of ``size`` (rows, columns) cells closes: going round it must be an
    allowed offset.
    """
    down, right = _straight(rule, shape)
    return min(size) >= 1 and size[0] % shape[0] in down and size[1] % shape[1] in right


def _straight(rule: Rule, shape: tuple[int, int]) -> tuple[set[int], set[int]]:
    """Select the allowed offsets that go straight down, and straight to the right."""
    offsets = allowed_offsets(rule, shape)
    return set(offsets[offsets[:, 1] == 0, 0].tolist()), set(
        offsets[offsets[:, 0] == 0, 1].tolist()
    )


def nearest_sizes(
    rule: Rule, shape: tuple[int, int], wanted: tuple[int, int], count: int = 3
) -> list[tuple[int, int]]:
    """List the sizes (rows, columns) nearest to the wanted one on which a torus closes, nearest
    first.
    """
    rounds_down, rounds_right = _straight(rule, shape)
    down = [n for n in range(1, wanted[0] + shape[0] + 1) if n % shape[0] in rounds_down]
    right = [n for n in range(1, wanted[1] + shape[1] + 1) if n % shape[1] in rounds_right]
    down = sorted(down, key=lambda n: (abs(n - wanted[0]), n))[:count]
    right = sorted(right, key=lambda n: (abs(n - wanted[1]), n))[:count]
    sizes = [(y, x) for y in down for x in right]
    return sorted(sizes, key=lambda s: (abs(s[0] - wanted[0]) + abs(s[1] - wanted[1]), s))[:count]
