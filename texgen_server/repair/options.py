# SPDX-License-Identifier: Apache-2.0
"""Options of a repair."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from texgen.maps import MapKind


class Tiling(StrEnum):
    """When a set of maps is made tileable."""

    AUTO = "auto"
    """Along the axes on which a seam shows."""
    ALWAYS = "always"
    NEVER = "never"


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
