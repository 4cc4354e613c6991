# SPDX-License-Identifier: Apache-2.0
"""Calibrates how much novelty an exemplar bears.

Done once, when the bank is built, and stored with the exemplar.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from texgen_server.layout.analysis import Analysis
from texgen_server.layout.laying import lay_torus
from texgen_server.layout.measures import LayoutFigures, measure
from texgen_server.layout.options import LayoutOptions

SCALES = (6, 10, 14, 18, 22, 27, 33, 40, 48, 58, 70, 85, 105)
"""Novelty scales that are tried, in 1/64 of the default."""
USUAL_PATCH, WORST_PATCH = 0.28, 0.44
"""Largest patch that is let pass: in the mean of the seeds, and in all of them but one."""
SEEDS = (101, 102, 103, 104, 105, 106)


@dataclass(frozen=True)
class Calibration:
    """The chosen novelty scale and its figures."""

    novelty_scale: int
    figures: tuple[LayoutFigures, ...]
    """Layout figures at that scale, one for each seed."""
    enough: bool
    """True if patches are small enough.

    Lattices of few vectors, and exemplars that hold their picture several times, never reach it.
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
        measure(scaled, lay_torus(scaled, analysis.cells.shape, LayoutOptions(seed)))
        for seed in SEEDS
    )
    patches = sorted(f.largest_patch for f in figures)
    enough = float(np.mean(patches)) <= USUAL_PATCH and patches[-2] <= WORST_PATCH
    return Calibration(scale, figures, enough)
