# SPDX-License-Identifier: Apache-2.0
"""Makes pictures tileable: a strip of the picture itself is laid over the seam, cut where the two
differ least.

All maps are cut along the same lines, one axis after the other. Nothing but the pixels under the
strip changes, to the last bit, unless the light falls off to one side: that is removed first.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from texgen.maps import MapKind, Pixels
from texgen_server.repair.even_light import even_light
from texgen_server.repair.seam_patch import find_patch, lay_patch


def make_tileable(maps: Mapping[MapKind, Pixels], axes: tuple[bool, bool]) -> dict[MapKind, Pixels]:
    """Make maps (H, W, C) of one size tile along the axes that are asked for (down, right)."""
    tiled = even_light(maps)
    for axis in (1, 0):
        if axes[axis]:
            turned = {k: _turned(p, axis) for k, p in tiled.items()}
            closed = (
                axis == 0 or not axes[0]
            )  # whether the other axis tiles already, so that the strip's borders must close too
            patch = find_patch(turned, closed=closed)
            laid = {k: lay_patch(p, patch, unit=k is MapKind.NORMAL) for k, p in turned.items()}
            tiled = {k: _turned(p, axis) for k, p in laid.items()}
    return tiled


def _turned(pixels: Pixels, axis: int) -> Pixels:
    """Swap rows and columns where the axis is that of the rows; undoes itself."""
    turned: Pixels = pixels if axis == 1 else np.ascontiguousarray(pixels.transpose(1, 0, 2))  # type: ignore[assignment]
    return turned
