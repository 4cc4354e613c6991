# SPDX-License-Identifier: Apache-2.0
"""A model of clear skies for every elevation of the sun, from a table that training rendered.

The table is of Hosek and Wilkie's sky (2012, as Mitsuba 3 has it). Below the horizon it is dimmed
by the measured loss of twilight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LOWEST_DEG = 0.5
TWILIGHT_STOPS = 1.1
"""Stops lost for each degree of the sun below the horizon (about 7 stops from sunset to the end of
civil twilight).
"""
SET_DEG = -0.5
"""Elevation at which the sun's disc has set."""


@dataclass(frozen=True)
class SkyModel:
    """Log2 radiance of clear skies whose sun stands at azimuth 0."""

    elevations_deg: Array  # (E,) rising
    stops: Array  # (E, 3, L, 2 L); below the horizon the row at the horizon
    sun: Array  # (E, 3) log2 of the sun's flux

    def sky(self, elevation_deg: float) -> Array:
        """Return the sky's log2 radiance (3, L, 2 L)."""
        sky: Array = self._between(self.stops, elevation_deg) + np.float32(
            twilight_stops(elevation_deg)
        )
        return sky

    def sun_stops(self, elevation_deg: float) -> Array:
        """Return log2 of the sun's flux (3,); -30 below the sunlit one once it has set."""
        left = np.clip((elevation_deg - SET_DEG) / (LOWEST_DEG - SET_DEG), 2.0**-30, 1.0)
        flux: Array = self._between(self.sun, elevation_deg) + np.float32(np.log2(left))
        return flux

    def _between(self, table: Array, elevation_deg: float) -> Array:
        wanted = np.clip(elevation_deg, self.elevations_deg[0], self.elevations_deg[-1])
        upper = int(
            np.clip(np.searchsorted(self.elevations_deg, wanted), 1, len(self.elevations_deg) - 1)
        )
        low, high = self.elevations_deg[upper - 1 : upper + 1]
        share = np.float32((wanted - low) / (high - low))
        value: Array = table[upper - 1] * (1 - share) + table[upper] * share
        return value


def twilight_stops(elevation_deg: float) -> float:
    """Return the stops that the sky has lost against the lowest sun of the table: 0 above the
    horizon, then below 0.
    """
    return TWILIGHT_STOPS * min(0.0, elevation_deg - LOWEST_DEG)
