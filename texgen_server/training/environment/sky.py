# SPDX-License-Identifier: Apache-2.0
"""Finds the sky in a panorama, and fills it in behind everything that stands before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from texgen.render.panorama import luminance, pixel_angles

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

DARKER_STOPS = 1.6
"""Stops that the sky may be darker than what is typical above the horizon."""
SMOOTH_STOPS = 0.45
"""Deviation of the sky within a few pixels, unless it is bright."""
BRIGHT_STOPS = 1.0
"""Stops above what is typical above the horizon that only the sky reaches."""
LEAST_ZENITH, LEAST_SHARE = 0.5, 0.03
"""A panorama whose zenith is less than that much sky, or whose sky is less than that share of all,
has none: a room, a street at night.
"""


def sky_mask(panorama: Array) -> Mask:
    """Return the mask of the sky in (H, 2 H, 3) radiance without its lights: bright, smooth, and
    reaching from the zenith.
    """
    height = panorama.shape[0]
    light = luminance(panorama)
    stops = np.log2(light + 1e-4 * light.mean())
    _, elevation = pixel_angles(height)
    typical = np.percentile(stops[elevation > 3.0], 60)
    smooth = (stops > typical - DARKER_STOPS) & (_roughness(stops) < SMOOTH_STOPS)
    likely = (smooth | (stops > typical + BRIGHT_STOPS)) & (elevation[:, None] > -1.0)
    likely = _around(likely, lambda m: ndimage.binary_opening(m, iterations=2))
    labels, count = ndimage.label(np.concatenate([likely] * 2, 1))
    sizes = ndimage.sum_labels(np.ones_like(labels), labels, np.arange(count + 1))
    chosen = set(np.unique(labels[: height // 16])) | set(
        np.flatnonzero(sizes > 0.02 * labels.size)
    )
    both = np.isin(labels, sorted(chosen - {0}))
    sky = _around(
        both[:, : 2 * height] | both[:, 2 * height :],
        lambda m: ndimage.binary_closing(m, iterations=3),
    )
    sky = _with_holes_filled(sky, elevation)
    if sky[elevation > 60.0].mean() < LEAST_ZENITH or sky.mean() < LEAST_SHARE:
        return np.zeros_like(sky)
    return sky


def _with_holes_filled(sky: Mask, elevation: Array) -> Mask:
    """Add parts that do not reach the ground, which are clouds."""
    labels, _ = ndimage.label(np.concatenate([~sky] * 3, 1))
    grounded = np.isin(labels, np.unique(labels[elevation < -2.0]))
    width = sky.shape[1]
    filled: Mask = ~(grounded & (labels > 0))[:, width : 2 * width]
    return filled & (elevation[:, None] > -1.0)


def _roughness(stops: Array) -> Array:
    mode = ("nearest", "wrap")
    mean = ndimage.gaussian_filter(stops, 2.0, mode=mode)
    spread: Array = np.sqrt(
        np.maximum(ndimage.gaussian_filter(stops * stops, 2.0, mode=mode) - mean * mean, 0.0)
    )
    return spread


def _around(mask: Mask, change: object) -> Mask:
    """Change a mask with a view across the seam."""
    width = mask.shape[1]
    result: Mask = change(np.concatenate([mask] * 3, 1))[:, width : 2 * width]  # type: ignore[operator]
    return result


def filled_sky(colors: Array, share: Array) -> Array:
    """Return small planes (C, H, 2 H) with the sky everywhere, given its share (H, 2 H): elsewhere
    it is diffused from where it is.
    """
    known = share > 0.5
    if not known.any():
        return colors.copy()
    weight = known.astype(np.float32)
    total = np.stack([plane * weight for plane in colors])
    out, reach = np.where(known, colors, 0.0).astype(np.float32), 1.0
    missing = ~known
    while missing.any() and reach < 64:
        spread = ndimage.gaussian_filter(weight, reach, mode=("nearest", "wrap"))
        near = missing & (spread > 1e-3)
        blurred = np.stack(
            [ndimage.gaussian_filter(plane, reach, mode=("nearest", "wrap")) for plane in total]
        )
        out[:, near] = (blurred / np.maximum(spread, 1e-6))[:, near]
        missing &= ~near
        reach *= 2.0
    return out
