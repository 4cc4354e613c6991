# SPDX-License-Identifier: Apache-2.0
"""The door to captures: torch is imported here, when the first photograph comes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from texgen.recipes.recipe import Recipe
from texgen_server.capture.options import CaptureOptions
from texgen_server.registry import MaterialModel

CaptureFunction = Callable[
    [NDArray[np.float32], CaptureOptions, Callable[[], None], Callable[[float], None]], Recipe
]
"""Finds the recipe of a photograph: see `capture.search.capture`."""


def load_capture(model: MaterialModel) -> CaptureFunction:
    """Load the networks of a capture and return the function that uses them."""
    # Door: a server without the extra `capture` has no torch, and importing it takes seconds.
    from texgen_server.capture.networks import CaptureNetworks
    from texgen_server.capture.search import capture

    return partial(capture, CaptureNetworks(model))
