# SPDX-License-Identifier: Apache-2.0
"""A small numpy renderer for previews: one key light over a flat plane, a soft sky, GGX
highlights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen.files.images import linear_to_srgb, srgb_to_linear

Array = NDArray[np.float32]

LIGHT = (-0.55, 0.6, 0.58)
"""Direction to the key light: x right, y up, z to the viewer; from the upper left, as the eye
expects of a relief.
"""


def render_lit(
    basecolor: Array,
    normal: Array,
    roughness: Array,
    metallic: Array,
    ao: Array,
    light: tuple[float, float, float] = LIGHT,
    *,
    to_view: Array | None = None,
    light_rgb: Array | None = None,
    sky: float = 1.0,
    exposure: float = 1.0,
) -> NDArray[np.uint8]:
    """Light a flat square of material, seen from straight above, or from where ``to_view`` points.

    ``basecolor`` (H, W, 3) sRGB [0, 1]; ``normal`` (H, W, 3) OpenGL in [-1, 1]; ``roughness``,
    ``metallic``, ``ao`` (H, W) in [0, 1]; ``to_view`` (H, W, 3) unit vectors towards the eye;
    ``light_rgb`` (3,) linear colour of the light, ``sky`` the strength of what comes from all
    around, ``exposure`` a factor on all light. Returns (H, W, 3) sRGB.
    """
    albedo = srgb_to_linear(basecolor)
    to_light = np.asarray(light, np.float32) / np.float32(np.linalg.norm(light))
    eye = np.array([0, 0, 1], np.float32) if to_view is None else to_view
    half = to_light + eye
    half /= np.linalg.norm(half, axis=-1, keepdims=True)
    n_l = np.clip(normal @ to_light, 0.0, 1.0)[..., None]
    n_h = np.clip(_dot(normal, half), 0.0, 1.0)[..., None]
    n_v = np.clip(normal[..., 2:3] if to_view is None else _dot(normal, eye)[..., None], 0.05, 1.0)
    rough, metal, open_sky = roughness[..., None], metallic[..., None], ao[..., None]
    specular_colour = 0.04 * (1.0 - metal) + albedo * metal
    highlight = _ggx(n_h, n_l, n_v, np.maximum(rough, 0.15)) * n_l
    if light_rgb is not None:
        highlight, n_l = highlight * light_rgb, n_l * light_rgb
    up = 0.5 + 0.5 * normal[..., 1:2]
    around = (0.35 + 0.65 * up) * open_sky * np.float32(sky)
    fresnel = specular_colour + (1.0 - rough) * 0.2 * (1.0 - n_v) ** 4
    diffuse = albedo * (1.0 - metal) * (2.2 * n_l + 0.45 * around)
    linear = (
        diffuse
        + specular_colour * highlight * 2.2 * np.pi
        + fresnel * around * (0.55 + 0.25 * (1.0 - rough))
    )
    linear = linear * np.float32(exposure)
    srgb = linear_to_srgb(linear / (1.0 + 0.22 * linear))
    return np.round(srgb * 255.0).astype(np.uint8)


def _dot(vectors: Array, other: Array) -> Array:
    """Compute dot products of (H, W, 3) with (3,) or (H, W, 3), as (H, W)."""
    result: Array = vectors @ other if other.ndim == 1 else (vectors * other).sum(-1)
    return result


def _ggx(n_h: Array, n_l: Array, n_v: Array, roughness: Array) -> Array:
    """Return the GGX distribution times the Smith visibility."""
    a2 = roughness**4
    distribution = a2 / (np.pi * (n_h * n_h * (a2 - 1.0) + 1.0) ** 2)
    k = (roughness + 1.0) ** 2 / 8.0
    visibility = 0.25 / ((n_l * (1.0 - k) + k) * (n_v * (1.0 - k) + k))
    result: Array = np.minimum(distribution * visibility, 4.0)
    return result
