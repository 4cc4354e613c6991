# SPDX-License-Identifier: Apache-2.0
"""How much novelty an exemplar bears: found once, when the bank is built, and stored with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from texgen_server.layout.analysis import Analysis
from texgen_server.layout.laying import lay_torus
from texgen_server.layout.measures import LayoutFigures, measure
from texgen_server.layout.order import Order

SCALES = (6, 10, 14, 18, 22, 27, 33, 40, 48, 58, 70, 85, 105)
"""What is tried, in 1/64 of the usual."""
USUAL_PATCH, WORST_PATCH = 0.28, 0.44
"""Largest patch that is let pass: in the mean of the seeds, and in all of them but one."""
SEEDS = (101, 102, 103, 104, 105, 106)


@dataclass(frozen=True)
class Calibration:
    """The scale that was chosen and what it gives."""

    novelty_scale: int
    figures: tuple[LayoutFigures, ...]
    """One for each seed at that scale."""
    enough: bool
    """Whether patches are small enough; a lattice of few vectors, or an exemplar that holds its
    picture several times, never is.
    """


def calibrate(analysis: Analysis) -> Calibration:
    """Find the least scale at which no large part of the exemplar is copied in one piece; joins
    only get worse above it.
    """
    low, high = 0, len(SCALES) - 1
    tried: dict[int, Calibration] = {}
    while low < high:
        middle = (low + high) // 2
        tried[middle] = _try(analysis, SCALES[middle])
        low, high = (low, middle) if tried[middle].enough else (middle + 1, high)
    return tried.get(low) or _try(analysis, SCALES[low])


def _try(analysis: Analysis, scale: int) -> Calibration:
    scaled = replace(analysis, cells=replace(analysis.cells, novelty_scale=scale))
    figures = tuple(
        measure(scaled, lay_torus(scaled, analysis.cells.shape, Order(seed))) for seed in SEEDS
    )
    patches = sorted(f.largest_patch for f in figures)
    enough = float(np.mean(patches)) <= USUAL_PATCH and patches[-2] <= WORST_PATCH
    return Calibration(scale, figures, enough)
