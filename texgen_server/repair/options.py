# SPDX-License-Identifier: Apache-2.0
"""Options of a repair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen.maps import MapKind, Tiling


@dataclass(frozen=True)
class RepairOptions:
    """Steps to take in a repair."""

    tiling: Tiling
    clean: bool
    """Remove JPEG blocks and noise."""
    fill: frozenset[MapKind]
    """Maps to make if they are missing."""
    class_share: NDArray[np.float32]
    """Class shares (K,): 1 at the given class; zeros if none was given."""
