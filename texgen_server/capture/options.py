# SPDX-License-Identifier: Apache-2.0
"""Options of a capture. Needs no torch, unlike the capture itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen.recipes.recipe import Recipe

DEFAULT_STEPS = 100


@dataclass(frozen=True)
class CaptureOptions:
    """Size, seed and search options of a capture."""

    seed: int
    size_px: tuple[int, int]
    """Width and height of the material."""
    class_name: str = ""
    """Class to start from; empty: the nearest."""
    palette: tuple[tuple[float, float, float], ...] = ()
    """sRGB in [0, 1], darkest first; empty: the photograph's own colours."""
    steps: int = DEFAULT_STEPS
    """Optimisation steps; 0 takes the nearest material as it is."""


CaptureFunction = Callable[
    [NDArray[np.float32], CaptureOptions, Callable[[], None], Callable[[float], None]], Recipe
]
"""Finds the recipe of a photograph: see `capture.search.capture`."""
