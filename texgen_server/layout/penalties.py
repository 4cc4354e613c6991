# SPDX-License-Identifier: Apache-2.0
"""Costs of a candidate beyond its match: joins through parts, combs, and a second copy nearby.

Offsets and places are compared by one subtraction of codes and one look-up in a table of all
differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout.analysis import AnalysedLevel, Analysis
from texgen_server.layout.rules import lattice_offsets
from texgen_server.layout.weights import Weights

Integers = NDArray[np.int32]
Places = NDArray[np.intp]

WIDE_RING = tuple((a, b) for a in range(-2, 3) for b in range(-2, 3) if (a, b) != (0, 0))
"""Neighbours within two steps."""
SPAN_RINGS = {
    "": tuple((a, b) for a, b in WIDE_RING if max(abs(a), abs(b)) == 2),
    "x": tuple((a, b) for a, b in WIDE_RING if abs(a) == 2),
    "y": tuple((a, b) for a, b in WIDE_RING if abs(b) == 2),
}
"""By the grain: where the same offset two steps away counts as a patch that reaches too far."""
ALONE = np.zeros((1, 2), np.int32)


@dataclass(frozen=True)
class Differences:
    """Codes of offsets or places of an exemplar, and a table over the difference of two."""

    shape: tuple[int, int]

    def codes(self, y: NDArray[np.integer], x: NDArray[np.integer]) -> Places:
        """Give the code of each (down, right)."""
        return y.astype(np.intp) * (2 * self.shape[1]) + x

    def table(
        self, equal: int, near: int, cells: int, twins: Integers = ALONE
    ) -> NDArray[np.int16]:
        """Table of all differences of codes, for `look`: ``near`` for those up to ``cells`` round
        the torus, ``equal`` for none, else 0.

        ``twins`` (k, 2): offsets that count as none, (0, 0) among them.
        """
        down, right = (
            np.minimum(np.arange(size), size - np.arange(size)) <= cells for size in self.shape
        )
        close = down[:, None] & right[None]
        around = np.zeros(self.shape, np.bool_)
        for y, x in twins.tolist():
            around |= np.roll(close, (y, x), (0, 1))
        out = np.where(around, near, 0).astype(np.int16)
        out[twins[:, 0], twins[:, 1]] = equal
        return np.tile(out, (2, 2)).ravel()

    def look(self, table: NDArray[np.int16], codes: Places, others: Places) -> NDArray[np.int16]:
        """Look up the difference of codes (k, m) and others (m,)."""
        return table.take(codes - (others - self.shape[0] * 2 * self.shape[1] - self.shape[1]))


RECIPROCALS = np.asarray([0, *(65536 // (255 * n) + 1 for n in range(1, 9))], np.int32)
"""1 / (255 n) in 1/65536, for the mean of n cuts."""
SIDES = {
    "": (4, 4, 4, 4, 4, 4, 4, 4),
    "x": (6, 1, 6, 12, 12, 6, 1, 6),
    "y": (6, 12, 6, 1, 1, 6, 12, 6),
}
"""Weight of a join to each of the eight neighbours by grain, in quarters.

Fibres may part from each other, but not break.
"""
BREAK, COMB = 1, 16
"""What a neighbour that is not continued, and one that is doubled, add to a count; eight of the
first stay below one of the second.
"""


@dataclass(frozen=True)
class JoinCost:
    """Weighs the match of candidates by where their joins fall, and adds what joins cost.

    A join along a joint is the best there is: a mortar line that cuts a stone short looks like one
    that was laid so. It costs nothing, and mismatch across it counts half. A join through the
    inside of a part costs most. A step of a few cells, which doubles or loses a strip, costs more.
    """

    differences: Differences
    table: NDArray[np.int16]
    sides: tuple[int, ...]
    at: AnalysedLevel
    weights: Weights

    @classmethod
    def prepare(cls, analysis: Analysis, at: AnalysedLevel, weights: Weights) -> JoinCost:
        """Make the tables of a level."""
        differences = Differences(analysis.cells.shape)
        table = BREAK - differences.table(BREAK, -COMB, weights.comb_cells)
        return cls(differences, table, SIDES[analysis.grain], at, weights)

    def __call__(
        self, energy: Integers, codes: Places, offered: Places, around: Places, places: Places
    ) -> Integers:
        """Cost (k, m) of candidates with a match, codes of offsets and places, beside neighbours
        (8, m) with codes and places.
        """
        at, weights = self.at, self.weights
        counts = np.zeros(codes.shape, np.int16)
        cuts = np.zeros(codes.shape, np.int32)
        cut = None if at.cut is None else at.cut.take(offered)
        for other, place, side in zip(around, places, self.sides, strict=True):
            found = self.differences.look(self.table, codes, other)
            counts += found
            if cut is None or at.cut is None:
                cuts += (found != 0) * np.int32(side)
            else:
                cuts += np.minimum(cut, at.cut.take(place)) * (found != 0)
        breaks, combs = counts & (COMB - 1), counts >> 4
        cost = energy + combs * np.int32(weights.comb * at.unit >> 8)
        if cut is None:
            plain: Integers = cost + cuts * np.int32(weights.plain_join * at.unit >> 10)
            return plain
        depth = (cuts * RECIPROCALS.take(breaks) >> 8) * (256 - weights.floor) >> 8
        spared = np.where(breaks > 0, 256 - weights.floor - depth, 0)
        weighed: Integers = (
            cost
            - ((energy >> 4) * spared >> 4)
            + (cuts * np.int32(weights.join * at.unit >> 8) >> 8)
        )
        return weighed


@dataclass(frozen=True)
class RepeatCost:
    """Costs of repeating a place nearby, and of patches that reach too far.

    A candidate that continues a neighbour is no repeat; where the exemplar holds its picture
    several times, copies are one place. Rare places cost more, since the eye finds them again. Each
    of the neighbours two steps away (not along the grain) that has the same offset costs, times
    ``strength`` in 1/256: it bounds how far a patch reaches.
    """

    differences: Differences
    same: NDArray[np.int16]
    close: NDArray[np.int16]
    counted: tuple[tuple[int, int], ...]
    at: AnalysedLevel
    weights: Weights
    strength: int

    @classmethod
    def prepare(
        cls, analysis: Analysis, at: AnalysedLevel, weights: Weights, strength: int
    ) -> RepeatCost:
        """Make the tables of a level."""
        differences = Differences(analysis.cells.shape)
        copies = analysis.cells.copies
        twins = ALONE if copies is None else lattice_offsets(copies, analysis.cells.shape)
        close = differences.table(1, 1, at.level.spacing - 1, twins)
        return cls(
            differences,
            differences.table(1, 0, 0, twins),
            close,
            SPAN_RINGS[analysis.grain],
            at,
            weights,
            strength,
        )

    def __call__(self, codes: Places, offered: Places, around: Places, places: Places) -> Integers:
        """Cost (k, m) of candidates with codes of offsets and places, beside the neighbours of
        `WIDE_RING` (24, m).
        """
        at, columns = self.at, self.differences.shape[1]
        copies, spans = np.zeros(codes.shape, np.int16), np.zeros(codes.shape, np.int16)
        own = self.differences.codes(*np.divmod(offered, columns))
        theirs = self.differences.codes(*np.divmod(places, columns))
        for other, place, step in zip(around, theirs, WIDE_RING, strict=True):
            same = self.differences.look(self.same, codes, other)
            copies += self.differences.look(self.close, own, place) & (1 - same)
            if step in self.counted:
                spans += same
        each = at.rarity.take(offered) * np.int32(self.weights.repeat * at.unit >> 8) >> 8
        span = self.weights.span * self.strength * at.unit * 16 // len(self.counted) >> 16
        cost: Integers = copies * each + spans * np.int32(span)
        return cost
