# SPDX-License-Identifier: Apache-2.0
"""Small panoramas ("layouts") that the network refines to an environment: combined, lit, brought to
any size.

A layout is (4, L, 2 L) float32: log2 radiance of red, green and blue in units of `STOPS`, and the
share of sky. Numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen.render.panorama import direction, pixel_angles, pixel_directions
from texgen_server.networks.channels import RADIANCE, SKY

Array = NDArray[np.float32]

MEETING_SHARE = 1.0 / 16.0
"""Share of the height over which differences of two places are smoothed up and down where they
meet.
"""
GLOW_DEG = 6.0
"""Angle from the brightest light at which its glow has fallen to half."""


@dataclass(frozen=True)
class Surroundings:
    """A place: its layout, its sky alone (3, L, 2 L), and the direction of its brightest light."""

    layout: Array
    sky: Array
    light: tuple[float, float] | None

    @property
    def outdoors(self) -> bool:
        """True for a place that has a sky."""
        return bool(self.layout[SKY].any())

    def mirrored(self) -> Surroundings:
        """Exchange left and right; azimuth 0 stays in place."""
        light = (-self.light[0], self.light[1]) if self.light else None
        return Surroundings(mirrored(self.layout), mirrored(self.sky), light)


def sky_over_ground(above: Surroundings, below: Surroundings, share: Array) -> Array:
    """Combine the layout of one place with the sky of another; without skies, both side by side:
    ``share`` (2 L,) of the first for each column.

    The ground keeps its brightness against its sky. Of two places side by side the second takes on
    the exposure and white of the first, height by height, as they are where the two meet: floors,
    walls and ceilings continue.
    """
    if not (above.outdoors and below.outdoors):
        other = below.layout.copy()
        other[RADIANCE] += _apart_where_they_meet(above.layout[RADIANCE], other[RADIANCE], share)
        return (above.layout * share + other * (1.0 - share)).astype(np.float32)
    sky_share = below.layout[SKY]
    brighter = _sky_level(above.sky) - _sky_level(below.sky)
    colors = above.sky * sky_share + (below.layout[RADIANCE] + brighter) * (1.0 - sky_share)
    return np.concatenate([colors, sky_share[None]]).astype(np.float32)


def _apart_where_they_meet(first: Array, second: Array, share: Array) -> Array:
    """Return the mean difference along the borders, smoothed over rows: (3, rows, 1)."""
    border = share * (1.0 - share)
    apart = ((first - second) * border).sum(2) / max(float(border.sum()), 1e-6)
    rows = np.arange(apart.shape[1])
    near = np.exp(-(((rows[:, None] - rows) / (MEETING_SHARE * len(rows))) ** 2))
    smooth: Array = (apart @ (near / near.sum(0))).astype(np.float32)[..., None]
    return smooth


def sides(where: float, columns: int) -> Array:
    """Return the share of each column (columns,) that belongs to the first of two rooms: half of
    the circle around a place, with soft borders.
    """
    angle = (np.arange(columns) + 0.5) / columns - where
    share: Array = (1.0 / (1.0 + np.exp(-6.0 * np.cos(2.0 * np.pi * angle)))).astype(np.float32)
    return share


def _sky_level(sky: Array) -> float:
    """Return the mean of the upper half."""
    return float(sky[:, : sky.shape[1] // 2].mean())


def mirrored(layout: Array) -> Array:
    """Exchange left and right; azimuth 0 stays in place."""
    return layout[:, :, ::-1]


def conditioning(layout: Array, light: tuple[float, float] | None, rows: int) -> Array:
    """Make the conditioning (8, rows, 2 rows) of the network at a level
    (`networks.params.CONDITIONING_CHANNELS`).

    ``light`` is azimuth and elevation of the brightest light in degrees; None: there is none.
    """
    _, elevation = pixel_angles(rows)
    across = np.ones((1, 2 * rows), np.float32)
    radians = np.radians(elevation)[:, None]
    grown = enlarged(layout, rows // layout.shape[1])
    ground = np.clip(-elevation[:, None] / 5.0, 0.0, 1.0) * across
    glow = np.zeros((rows, 2 * rows), np.float32) if light is None else glow_around(light, rows)
    return np.concatenate(
        [grown, np.stack([ground, np.sin(radians) * across, np.cos(radians) * across, glow])]
    ).astype(np.float32)


def glow_around(light: tuple[float, float], rows: int) -> Array:
    """Return the glow (rows, 2 rows): 1 at a direction, half at `GLOW_DEG`, falling with the square
    of the angle.
    """
    glow: Array = (1.0 / (1.0 + (angles_from(light, rows) / GLOW_DEG) ** 2)).astype(np.float32)
    return glow


def angles_from(place: tuple[float, float], rows: int) -> Array:
    """Return the angle (rows, 2 rows), in degrees, of each pixel from a direction (azimuth,
    elevation in degrees).
    """
    apart: Array = np.degrees(
        np.arccos(np.clip(pixel_directions(rows) @ direction(*place), -1.0, 1.0))
    ).astype(np.float32)
    return apart


def enlarged(planes: Array, scale: int) -> Array:
    """Enlarge (C, H, 2 H) to (C, scale H, scale 2 H), bilinearly, round the world and over the
    poles.
    """
    if scale == 1:
        return planes
    out = planes
    for axis in (1, 2):
        out = _enlarged_along(out, axis, scale)
    return out


def _enlarged_along(planes: Array, axis: int, scale: int) -> Array:
    before, after = _neighbours(planes, axis)
    shares = (np.arange(scale) + 0.5) / scale - 0.5
    parts = [before * max(-s, 0.0) + after * max(s, 0.0) + planes * (1.0 - abs(s)) for s in shares]
    shape = list(planes.shape)
    shape[axis] *= scale
    return np.stack(parts, axis + 1).reshape(shape).astype(np.float32)


def _neighbours(planes: Array, axis: int) -> tuple[Array, Array]:
    """Return the pixel before and the pixel after each one along an axis."""
    before, after = np.roll(planes, 1, axis), np.roll(planes, -1, axis)
    if axis == 1:  # over the pole to the other side
        half = planes.shape[2] // 2
        before[:, 0], after[:, -1] = np.roll(planes[:, 0], half, 1), np.roll(planes[:, -1], half, 1)
    return before, after
