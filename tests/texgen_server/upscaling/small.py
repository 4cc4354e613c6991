# SPDX-License-Identifier: Apache-2.0
"""Random maps."""

from __future__ import annotations

import numpy as np
import pytest

from texgen.maps import MAP_SPECS, MapKind

SCALE = pytest.mark.parametrize("scale", [2, 4])


def random_maps(rng, height=40, width=56):
    """All maps, with unit normals; grainy, so that nothing is smooth by chance."""
    maps = {}
    for kind, spec in MAP_SPECS.items():
        top = 255 if spec.dtype == "uint8" else 65535
        maps[kind] = (rng.random((height, width, spec.channels)) * 0.8 * top + 0.1 * top).astype(
            spec.dtype
        )
    normal = rng.normal(0, 0.3, (height, width, 3)) + np.array([0.0, 0.0, 1.0])
    maps[MapKind.NORMAL] = np.round(
        (normal / np.linalg.norm(normal, axis=-1, keepdims=True) * 0.5 + 0.5) * 255
    ).astype(np.uint8)
    return maps
