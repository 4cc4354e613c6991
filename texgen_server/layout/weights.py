# SPDX-License-Identifier: Apache-2.0
"""Weights of the terms of a candidate's energy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """Weights in 1/256 of a level's mean energy unless stated otherwise."""

    rounds: int = 2
    """Rounds of four sub-passes at the two finest levels."""
    coarse_rounds: int = 3
    """Rounds at spacings of 8 and more, which cost little and decide the neighbourhoods; at 4 it is
    between the two.
    """
    jump: int = 96
    """Increase of a look-alike's energy, in 1/256 of itself."""
    join: int = 110
    """For each neighbour that a candidate does not continue, where a join shows most: in exemplars
    whose joints are known.
    """
    plain_join: int = 8
    """The same where no joints are known."""
    floor: int = 128
    """Weight of a mismatch across a join in a joint, in 1/256."""
    comb: int = 26
    """For each neighbour whose surroundings a candidate repeats within `comb_cells`."""
    comb_cells: int = 4
    preference: int = 16
    """Cost of the least preferred offset of a block at the default novelty."""
    repeat: int = 160
    """At the two coarsest levels, for each place nearby that already shows what a candidate shows.
    """
    span: int = 16
    """Cost at the default novelty for each of the sixteen places two steps away that has the same
    offset.
    """

    def rounds_at(self, spacing: int) -> int:
        """Return the rounds of four sub-passes at a level."""
        if spacing <= 2:
            return self.rounds
        return self.coarse_rounds if spacing >= 8 else (self.rounds + self.coarse_rounds + 1) // 2

    def halo(self, spacing: int, top: int) -> tuple[int, int]:
        """Return how many cells (down, right) of a level around a place its result depends on,
        where ``top`` is the coarsest spacing.

        A round goes over even rows, then odd ones, and in each over even columns, then odd ones. So
        what a cell depends on lies at most 2 rows and 4 columns away; at the two coarsest levels,
        which read two steps far, 7 rows and 5 columns.
        """
        down, right = (7, 5) if 2 * spacing >= top else (2, 4)
        rounds = self.rounds_at(spacing)
        return down * rounds, right * rounds


STANDARD = Weights()
