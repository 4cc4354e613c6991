# SPDX-License-Identifier: Apache-2.0
"""Finds compact lights of a panorama, measures them and takes them out, so that a network has to
learn only the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from texgen.maps import Light
from texgen.render.panorama import direction, luminance, pixel_directions, solid_angles
from texgen_server.environment.scene import MOST_LIGHTS

Array = NDArray[np.float32]

RING_DEG = (6.0, 10.0)
"""Angles from a peak between which its surroundings are measured."""
ABOVE_RING, SHARE_OF_PEAK = 12.0, 0.01
"""Least brightness of a light's pixels, over its surroundings and over its peak."""
LEAST_SHARE = 0.01
"""Least share of the panorama's light; fainter lights stay in it."""
LARGEST_DEG = 5.0
"""Radius of the largest light that is taken out; windows and bright skies stay."""
APART_DEG = 4.0
"""Least distance between lights; what is nearer is the first one's glow, and stays."""


def take_lights(panorama: Array, lost_share: float = 0.0) -> tuple[list[Light], Array]:
    """Return the brightest compact lights of (H, 2 H, 3) radiance, and the panorama without them.

    ``lost_share`` is the part of all light that was lost where the brightest pixels were clamped;
    it goes to the first light.
    """
    rest, rays, weights = (
        panorama.astype(np.float32),
        pixel_directions(panorama.shape[0]),
        solid_angles(panorama.shape[0]),
    )
    total = float((luminance(rest) * weights).sum())
    lights: list[Light] = []
    while len(lights) < MOST_LIGHTS and (found := _brightest(rest, rays, weights, total)):
        light, without = found
        if any(_apart_deg(light, other) < APART_DEG for other in lights):
            break
        lights, rest = [*lights, light], without
    if lights and lost_share:
        lights[0] = _brightened(lights[0], total * lost_share / (1.0 - lost_share))
    return lights, rest


def _brightest(
    rest: Array, rays: Array, weights: Array, total: float
) -> tuple[Light, Array] | None:
    """The brightest light and the panorama without it; None when there is no compact light that
    matters.
    """
    bright = luminance(rest)
    peak = np.unravel_index(int(bright.argmax()), bright.shape)
    cosine = rays @ rays[peak]
    ring = (cosine < np.cos(np.radians(RING_DEG[0]))) & (cosine > np.cos(np.radians(RING_DEG[1])))
    around = float(np.median(bright[ring]))
    threshold = max(ABOVE_RING * around, SHARE_OF_PEAK * float(bright[peak]))
    if bright[peak] <= threshold:
        return None
    near = cosine > np.cos(np.radians(2.0 * LARGEST_DEG))
    region = _connected((bright > threshold) & near, (int(peak[0]), int(peak[1])))
    ground = rest[ring].mean(0)
    flux = np.maximum(((rest - ground) * weights[..., None])[region].sum(0), 0.0)
    area = float(
        (np.broadcast_to(weights, bright.shape) * np.minimum(bright / bright[peak], 1.0))[
            region
        ].sum()
    )
    radius = float(np.degrees(np.sqrt(area / np.pi)))
    if luminance(flux) < LEAST_SHARE * total or radius > LARGEST_DEG:
        return None
    share = (luminance(rest) * weights)[region]
    centre = (rays[region] * share[:, None]).sum(0)
    centre /= np.linalg.norm(centre)
    azimuth, elevation = (
        float(np.degrees(np.arctan2(centre[0], centre[2]))),
        float(np.degrees(np.arcsin(centre[1]))),
    )
    grown = ndimage.binary_dilation(np.concatenate([region] * 3, 1), iterations=2)[
        :, region.shape[1] : 2 * region.shape[1]
    ]
    border = ndimage.binary_dilation(grown, iterations=1) & ~grown
    without = rest.copy()
    without[grown] = rest[border].mean(0)
    return Light(
        azimuth, elevation, radius, (float(flux[0]), float(flux[1]), float(flux[2]))
    ), without


def _apart_deg(one: Light, other: Light) -> float:
    cosine = float(
        direction(one.azimuth_deg, one.elevation_deg)
        @ direction(other.azimuth_deg, other.elevation_deg)
    )
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _connected(mask: NDArray[np.bool_], seed: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the part of a mask that is connected with a pixel, across the seam."""
    wide = np.concatenate([mask] * 3, 1)
    labels, _ = ndimage.label(wide)
    width = mask.shape[1]
    own = labels == labels[seed[0], seed[1] + width]
    folded: NDArray[np.bool_] = own[:, :width] | own[:, width : 2 * width] | own[:, 2 * width :]
    return folded


def _brightened(light: Light, luminous: float) -> Light:
    """Return a light with so much more flux, of its own colour."""
    flux = np.array(light.flux, np.float32)
    red, green, blue = map(float, flux * (1.0 + luminous / float(luminance(flux))))
    return Light(light.azimuth_deg, light.elevation_deg, light.radius_deg, (red, green, blue))
