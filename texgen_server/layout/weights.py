# SPDX-License-Identifier: Apache-2.0
"""How the parts of a candidate's energy are weighed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """In 1/256 of a level's mean energy unless said."""

    corrections: int = 2
    """Rounds of four sub-passes a level."""
    jump: int = 96
    """What a look-alike's energy is raised by, in 1/256 of itself."""
    join: int = 60
    """For each neighbour that a candidate does not continue, where a join shows most: in exemplars whose joints are known."""
    plain_join: int = 8
    """The same where no joints are known."""
    floor: int = 128
    """What a mismatch counts across a join in a joint, in 1/256."""
    comb: int = 26
    """For each neighbour whose surroundings a candidate repeats within `comb_cells`."""
    comb_cells: int = 4
    preference: int = 16
    """What the least liked offset of a block costs at the default novelty."""
    repeat: int = 64
    """At the two coarsest levels, for each place nearby that already shows what a candidate shows."""
    span: int = 18
    """Likewise, at the default novelty, for each of the sixteen places two steps away that has the same offset."""

    @property
    def halo(self) -> int:
        """Return how many cells of a level around a place its result depends on: each of the sub-passes reads one or two further."""
        return 4 * self.corrections * 2


STANDARD = Weights()
