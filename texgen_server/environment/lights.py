# SPDX-License-Identifier: Apache-2.0
"""Round lights, far away, and their rendering into a panorama: with a sharp edge and exactly their
flux at any size.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from texgen.maps import Light
from texgen.render.panorama import direction, pixel_angles, solid_angles

Array = NDArray[np.float32]


HALF_MOST = 60000.0
"""Largest radiance that half floats hold safely."""


def half_safe(light: Light, height: int) -> Light:
    """Return the light, or one of the same flux with a radius so large that half floats hold its
    radiance at that size.
    """
    pixel = 180.0 / height
    radius = max(light.radius_deg, 0.75 * pixel)
    area = 2.0 * np.pi * (1.0 - np.cos(np.radians(radius)))
    over = max(light.flux) / area / HALF_MOST
    return replace(
        light, radius_deg=float(light.radius_deg if over <= 1.0 else radius * np.sqrt(over))
    )


def render_light(
    light: Light, height: int, samples: int = 4
) -> tuple[slice, NDArray[np.int64], Array]:
    """Render a light for a panorama of that height: the rows it covers, the columns (which may
    wrap), and the radiance (rows, columns, 3).

    Its edge is sampled with ``samples`` squared points a pixel, and the radiance is scaled so that
    the flux is exact on the pixels.
    """
    top, bottom, columns = _bounds(light, height)
    inside = _coverage(light, height, (top, bottom), columns, samples)
    covered = float((inside.astype(np.float64) * solid_angles(height)[top:bottom]).sum())
    radiance = inside[..., None] / covered * np.array(light.flux, np.float32)
    return slice(top, bottom), columns, radiance


def _bounds(light: Light, height: int) -> tuple[int, int, NDArray[np.int64]]:
    """Return the first and the last row, exclusive, and the columns that a light may touch."""
    azimuths, elevations = pixel_angles(height)
    step = 180.0 / height
    reach = light.radius_deg + step
    rows = np.flatnonzero(np.abs(elevations - light.elevation_deg) <= reach + step)
    polar = abs(light.elevation_deg) + reach + step >= 90.0
    spread = (
        180.0
        if polar
        else min(180.0, reach / np.cos(np.radians(abs(light.elevation_deg) + reach)) + step)
    )
    columns = np.flatnonzero(
        np.abs((azimuths - light.azimuth_deg + 180.0) % 360.0 - 180.0) <= spread
    )
    return int(rows[0]), int(rows[-1]) + 1, columns


def _coverage(
    light: Light,
    height: int,
    rows: tuple[int, int],
    columns: NDArray[np.int64],
    samples: int,
) -> Array:
    """Count the sample points of each pixel (rows, columns) that lie inside the light."""
    azimuths, elevations = pixel_angles(height)
    step = 180.0 / height
    inside = np.zeros((rows[1] - rows[0], len(columns)), np.float32)
    centre = direction(light.azimuth_deg, light.elevation_deg)
    # never smaller than a pixel's corner: it would fall between samples
    limit = np.cos(np.radians(max(light.radius_deg, 0.75 * step)))
    across, down_from = azimuths[columns][None], elevations[rows[0] : rows[1], None]
    offsets = ((np.arange(samples) + 0.5) / samples - 0.5) * step
    for down in offsets:
        for right in offsets:
            inside += direction(across + right, down_from - down) @ centre > limit
    return inside
