# SPDX-License-Identifier: Apache-2.0
"""The engine's input for one exemplar: its cells as small integers and the rule of its family."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout.rules import Rule

FEATURE_LIMIT = 2047
"""Largest absolute value of a feature; what lies beyond is clipped."""


@dataclass(frozen=True)
class ExemplarCells:
    """One exemplar on its torus of cells of 8 x 8 px; all arrays hold integers."""

    latents: NDArray[np.int16]
    """(rows, columns, channels): the codec's quantised latents, deviations from the exemplar's mean
    in quantiser steps.
    """
    rule: Rule
    extra: NDArray[np.int16] | None = None
    """(rows, columns, k): more features to be matched, such as distances to joints, in the unit of
    the latents.
    """
    cut: NDArray[np.uint8] | None = None
    """(rows, columns): visibility of a join through a cell, 0 in a joint to 255 inside a part;
    None: the same everywhere.
    """
    copies: tuple[int, int, int] | None = None
    """Lattice group b/a/j of offsets under which the picture is the same: one place with several
    names.
    """
    novelty_scale: int = 64
    """Novelty that the exemplar bears, in 1/64 of the default; calibrated when the bank is built.
    """
    wraps: bool = field(default=True)
    """False for a part of a tile: cells at its edge are never taken, so that no patch crosses it.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Return (rows, columns) in cells."""
        rows, columns = self.latents.shape[:2]
        return rows, columns
