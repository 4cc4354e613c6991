# SPDX-License-Identifier: Apache-2.0
"""Look-alikes: for each cell of an exemplar a few allowed places elsewhere that look like it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout.appearance import Level
from texgen_server.layout.hashing import draw, seed_word

Integers = NDArray[np.int32]
Places = NDArray[np.intp]

COUNT = 8
"""Look-alikes of a cell."""
MOST = 4096
"""Largest number of offsets that are searched."""
CHUNK = 1 << 19
"""Distances that are held in memory at a time."""
FAR = np.float32(1 << 26)


@dataclass(frozen=True)
class LookAlikes:
    """The look-alikes of one level of an exemplar of n cells."""

    down: NDArray[np.int16]
    """(n * `COUNT`,): row `COUNT` u + k: how far the k-th look-alike of cell u lies below it, in
    [0, rows); (0, 0) where there is none.
    """
    right: NDArray[np.int16]
    """Likewise to the right, in [0, columns)."""
    distance: Integers
    """(n,) squared distance of appearance vectors to the nearest of them."""


@dataclass(frozen=True)
class Search:
    """The part of the search that all levels share: which cells may take each other's place, and
    which candidates are too near.
    """

    shape: tuple[int, int]
    offsets: Integers
    cosets: Places
    """(cosets, g): cells that may take each other's place, as indices."""
    candidates: Places
    """(`COUNT`, m): offsets that are searched, as indices, dealt into classes by place."""
    step: int
    """Number of offsets searched at a time."""
    blocked: tuple[tuple[Places, Places], ...]
    """For each chunk of offsets the rows and columns of what lies within a twentieth of the tile.
    """

    @classmethod
    def prepare(cls, offsets: Integers, shape: tuple[int, int]) -> Search:
        """Prepare the search among the allowed offsets (g, 2)."""
        candidates = _deal(offsets, shape)
        step = max(1, CHUNK // candidates.size)
        blocked = tuple(
            _near(offsets[k : k + step], offsets, candidates, shape)
            for k in range(0, len(offsets), step)
        )
        return cls(shape, offsets, _cosets(offsets, shape), candidates, step, blocked)


def find_lookalikes(level: Level, search: Search) -> LookAlikes:
    """Search the allowed offsets, but none near the cell itself.

    The offsets are dealt into `COUNT` classes; the nearest of each class is kept, so look-alikes
    are apart from each other.
    """
    vectors, step, candidates = level.appearance, search.step, search.candidates
    squares = (vectors * vectors).sum(1, keepdims=True)
    asking, offering = (
        np.hstack([-2.0 * vectors, np.ones_like(squares)]),
        np.hstack([vectors, squares]),
    )
    down, right = (
        np.zeros((len(vectors), COUNT), np.int16),
        np.zeros((len(vectors), COUNT), np.int16),
    )
    nearest = np.full(len(vectors), FAR, np.float32)
    for number, blocked in enumerate(search.blocked):
        start = number * step
        own = search.offsets[start : start + step]
        batch = max(1, step // len(own))
        for first in range(0, len(search.cosets), batch):
            cosets = search.cosets[first : first + batch]
            asked, offered = cosets[:, start : start + step], cosets[:, candidates.ravel()]
            far = np.matmul(asking[asked], offering[offered].transpose(0, 2, 1))
            far[:, blocked[0], blocked[1]] = FAR
            far = far.reshape(*asked.shape, COUNT, -1)
            best = far.argmin(-1)
            value = np.take_along_axis(far, best[..., None], -1)[..., 0]
            jump = (
                search.offsets[candidates[np.arange(COUNT), best]] - own[None, :, None]
            ) % np.asarray(search.shape, np.int32)
            jump *= (value < FAR / 2)[..., None]
            down[asked], right[asked], nearest[asked] = jump[..., 0], jump[..., 1], value.min(-1)
    distance = np.minimum(nearest + squares[:, 0], FAR).astype(np.int32)
    return LookAlikes(down.ravel(), right.ravel(), distance)


def _cosets(offsets: Integers, shape: tuple[int, int]) -> NDArray[np.intp]:
    """(cosets, g): cells that may take each other's place, as indices; column k is the first one
    moved by offset k.
    """
    rows, columns = shape
    moves = offsets.astype(np.intp)
    taken = np.zeros(rows * columns, np.bool_)
    members = []
    for cell in range(rows * columns):
        if not taken[cell]:
            y, x = divmod(cell, columns)
            coset = (moves[:, 0] + y) % rows * columns + (moves[:, 1] + x) % columns
            taken[coset] = True
            members.append(coset)
    return np.stack(members)


def _deal(offsets: Integers, shape: tuple[int, int]) -> NDArray[np.intp]:
    """(`COUNT`, m): indices of offsets in classes of one size; neighbours share a class.

    Short classes repeat their last.
    """
    words = draw(seed_word(shape[0], shape[1]), 5, offsets[:, 0] // 2, offsets[:, 1] // 2)
    order = np.argsort(words, kind="stable")
    if len(order) > MOST:
        kept = draw(seed_word(1), 6, offsets[:, 0], offsets[:, 1])[order]
        order = order[np.sort(np.argsort(kept, kind="stable")[:MOST])]
    size = -(-len(order) // COUNT)
    return np.stack(
        [
            np.sort(order[np.minimum(np.arange(k * size, (k + 1) * size), len(order) - 1)])
            for k in range(COUNT)
        ]
    ).astype(np.intp)


def _near(
    own: Integers, offsets: Integers, candidates: NDArray[np.intp], shape: tuple[int, int]
) -> tuple[Places, Places]:
    """Rows of ``own`` and columns of ``candidates`` (flattened) that lie within a twentieth of the
    tile of each other.
    """
    column = np.full(shape, -1, np.intp)
    used = offsets[candidates.ravel()]
    column[used[:, 0], used[:, 1]] = np.arange(candidates.size)
    apart = np.minimum(offsets, np.asarray(shape, np.int32) - offsets)
    around = offsets[(apart < np.maximum(2, np.asarray(shape) // 20)).all(1)]
    there = (own[:, None] + around[None]) % np.asarray(shape, np.int32)
    found = column[there[..., 0], there[..., 1]]
    rows, which = np.nonzero(found >= 0)
    return rows, found[rows, which]
