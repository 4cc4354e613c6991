# SPDX-License-Identifier: Apache-2.0
"""Positions of the cells of a level: on a torus of any size, or in a window of an endless field
with its halo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int32]

PAD = 2
"""Rings of cells beyond those that are worked on, which are only read."""


@dataclass(frozen=True)
class Axis:
    """One direction of a level's grid of q cells."""

    positions: Integers
    """(q + 2 `PAD`,) unwrapped positions in cells of the output, ascending."""
    wrapped: Integers
    """(q + 2 `PAD`,) the same as they are hashed: on a torus in [0, size), in an endless field
    unchanged.
    """
    source: NDArray[np.intp] | None
    """(q + 2 `PAD`,) on a torus: which of the q cells stands there; None in an endless field."""
    parity: int
    """0 if the first worked cell has an even number."""

    @property
    def count(self) -> int:
        """Return q, the number of cells."""
        return len(self.positions) - 2 * PAD

    @property
    def inner(self) -> Integers:
        """Return the wrapped positions of the q cells."""
        return self.wrapped[PAD : PAD + self.count]


@dataclass(frozen=True)
class Grid:
    """The cells of one level, down and right."""

    spacing: int
    down: Axis
    right: Axis
    size: tuple[int, int] | None
    """(rows, columns) of the torus in cells, None for an endless field."""


def torus_grid(size: tuple[int, int], spacing: int) -> Grid:
    """Place the cells of a level evenly on a torus; an even number of them unless the
    spacing is 1.
    """
    return Grid(spacing, _ring(size[0], spacing), _ring(size[1], spacing), size)


def _ring(size: int, spacing: int) -> Axis:
    count = size if spacing == 1 else max(2, 2 * ((size + spacing) // (2 * spacing)))
    numbers = np.arange(-PAD, count + PAD)
    source = numbers % count
    wrapped = source * size // count
    return Axis(
        (wrapped + numbers // count * size).astype(np.int32),
        wrapped.astype(np.int32),
        source.astype(np.intp),
        0,
    )


def window_grids(
    corner: tuple[int, int], size: tuple[int, int], levels: list[tuple[int, tuple[int, int]]]
) -> list[Grid]:
    """Place the cells of all levels, coarse to fine, for a window of an endless field.

    ``levels``: (spacing, (down, right)): each level has so many cells beyond what the next one
    needs.
    """
    axes = [
        _stretches(corner[k], size[k], [(spacing, halo[k]) for spacing, halo in levels])
        for k in (0, 1)
    ]
    return [
        Grid(spacing, down, right, None)
        for (spacing, _), down, right in zip(levels, *axes, strict=True)
    ]


def _stretches(start: int, length: int, levels: list[tuple[int, int]]) -> list[Axis]:
    first, last = start, start + length
    axes = []
    for spacing, halo in reversed(levels):
        first, last = first - halo - PAD, last + halo + PAD
        positions = np.arange(first, last, dtype=np.int64) * spacing
        axes.append(
            Axis(positions.astype(np.int32), positions.astype(np.int32), None, (first + PAD) % 2)
        )
        first, last = first // 2, (last - 1) // 2 + 1
    return axes[::-1]


def parents(child: Axis, parent: Axis) -> NDArray[np.intp]:
    """Return for each cell of the child's grid, padding included, the index of the parent's cell at
    or before it.
    """
    found = np.searchsorted(parent.positions, child.positions, "right") - 1
    return np.clip(found, 0, len(parent.positions) - 1).astype(np.intp)
