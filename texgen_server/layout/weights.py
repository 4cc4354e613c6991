# SPDX-License-Identifier: Apache-2.0
"""How the parts of a candidate's energy are weighed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """In 1/256 of a level's mean energy unless said."""

    corrections: int = 2
    """Rounds of four sub-passes a level."""
    jump: int = 38
    """What a look-alike's energy is raised by, in 1/256 of itself."""
    join: int = 0
    """For each neighbour that a candidate does not continue, where a join shows most."""
    comb: int = 0
    """For each neighbour whose surroundings a candidate repeats within `comb_cells`."""
    comb_cells: int = 4
    repeat: int = 0
    """For each place nearby that already shows what a candidate shows."""
    repeat_spacing: int = 8
    """Levels at and above this spacing look for repeats."""

    @property
    def halo(self) -> int:
        """Return how many cells of a level around a place its result depends on: each of the sub-passes reads one or two further."""
        return 4 * self.corrections * (2 if self.repeat else 1)


STANDARD = Weights()
