# SPDX-License-Identifier: Apache-2.0
"""Renders a flat piece of material from a camera and a light anywhere above it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen.export.mips import mip_chain
from texgen.files.images import srgb_to_linear
from texgen.maps import MapKind, Pixels, to_unit
from texgen.render.shading import render_lit

Array = NDArray[np.float32]
FOV_DEG = 40.0
BRIGHT_ALBEDO = 0.3
"""Mean albedo above which the exposure is reduced."""
SAMPLES = 2
"""Rays along each edge of a pixel."""
RENDERED_MAPS = (MapKind.BASECOLOR, MapKind.NORMAL, MapKind.ROUGHNESS, MapKind.METALLIC, MapKind.AO)


@dataclass(frozen=True)
class View:
    """A camera and a light. Lengths are in tiles; x right, y up in the texture, z out of it."""

    camera: tuple[float, float, float]
    target: tuple[float, float, float]
    light: tuple[float, float, float]
    """Unit vector towards the light."""
    light_rgb: tuple[float, float, float]
    """Linear colour of the light, 1 on average."""
    sky: float
    """Factor on the ambient light of previews."""


def random_view(rng: np.random.Generator) -> View:
    """Choose a camera 35 to 90 degrees above the plane, 1 to 2.5 tiles away; light 20 to 80 degrees
    above it, warm to cool.
    """
    target = (float(rng.random()), float(rng.random()), 0.0)
    away, turn, rise = (
        rng.uniform(1.0, 2.5),
        rng.uniform(0.0, 2.0 * math.pi),
        math.radians(rng.uniform(35.0, 90.0)),
    )
    camera = tuple(t + float(away) * d for t, d in zip(target, _direction(turn, rise), strict=True))
    light = _direction(
        float(rng.uniform(0.0, 2.0 * math.pi)), math.radians(rng.uniform(20.0, 80.0))
    )
    warmth = float(rng.uniform(-0.25, 0.25))
    rgb = (1.0 + warmth, 1.0, 1.0 - warmth)
    x, y, z = (round(v, 5) for v in camera)
    return View((x, y, z), target, light, rgb, float(rng.uniform(0.4, 1.6)))


def _direction(turn: float, rise: float) -> tuple[float, float, float]:
    return math.cos(turn) * math.cos(rise), math.sin(turn) * math.cos(rise), math.sin(rise)


def auto_exposure(maps: Mapping[MapKind, Pixels]) -> float:
    """Return the exposure for a material: a bright one gets less light, so that it is not merely
    white.
    """
    return round(
        min(
            1.0,
            BRIGHT_ALBEDO
            / max(float(srgb_to_linear(to_unit(maps[MapKind.BASECOLOR])).mean()), 1e-3),
        ),
        4,
    )


def render_view(
    maps: Mapping[MapKind, Pixels], view: View, edge_px: int, exposure: float = 1.0
) -> NDArray[np.uint8]:
    """Render a view of the material, whose texture repeats, as (edge, edge, 3) uint8 sRGB.

    Needs basecolor, normal, roughness, metallic and ao.
    """
    points, rays = _hits(view, edge_px * SAMPLES)
    level = _level(maps[MapKind.BASECOLOR].shape[0], points)
    samples = {
        kind: _sample_bilinear(_mip(maps[kind], kind, level), points) for kind in RENDERED_MAPS
    }
    normal = samples[MapKind.NORMAL] * 2.0 - 1.0
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-6)
    roughness, metallic, ao = (samples[kind][..., 0] for kind in RENDERED_MAPS[2:])
    rgb = np.asarray(view.light_rgb, np.float32)
    surface = (samples[MapKind.BASECOLOR], normal, roughness, metallic, ao)
    fine = render_lit(
        *surface, view.light, to_view=-rays, light_rgb=rgb, sky=view.sky, exposure=exposure
    )
    mean = fine.reshape(edge_px, SAMPLES, edge_px, SAMPLES, 3).mean((1, 3))
    picture: NDArray[np.uint8] = np.rint(mean).astype(np.uint8)
    return picture


def _hits(view: View, edge: int) -> tuple[Array, Array]:
    """Return the points where the rays of the pixels meet the plane, (edge, edge, 2), and their
    directions, (edge, edge, 3).
    """
    camera = np.asarray(view.camera, np.float64)
    forward = np.asarray(view.target) - camera
    forward /= np.linalg.norm(forward)
    upward = np.array([0.0, 1.0, 0.0]) if abs(forward[2]) > 0.999 else np.array([0.0, 0.0, 1.0])
    right = np.cross(forward, upward)
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    reach = math.tan(math.radians(FOV_DEG) / 2.0)
    across = (np.arange(edge) + 0.5) / edge * 2.0 - 1.0
    rays = forward + reach * (across[None, :, None] * right - across[:, None, None] * up)
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    # a ray over the horizon meets the plane far away
    rays[..., 2] = np.minimum(rays[..., 2], -0.02)
    points = camera[:2] + rays[..., :2] * (-camera[2] / rays[..., 2:])
    return points.astype(np.float32), rays.astype(np.float32)


def _level(height_px: int, points: Array) -> int:
    """Return the mip level whose pixels are as far apart as the rays in the middle of
    the picture.
    """
    middle = points.shape[0] // 2
    step = float(np.linalg.norm(points[middle + 1, middle] - points[middle, middle])) * height_px
    return max(0, round(math.log2(max(step, 1e-6))))


def _mip(pixels: Pixels, kind: MapKind, level: int) -> Array:
    chain = (
        mip_chain(pixels, srgb=kind is MapKind.BASECOLOR, normal=kind is MapKind.NORMAL)
        if level
        else [pixels]
    )
    return to_unit(chain[min(level, len(chain) - 1)])


def _sample_bilinear(plane: Array, points: Array) -> Array:
    """Sample a plane bilinearly with wrap-around; rows count from the top, y from the bottom."""
    height, width = plane.shape[:2]
    x, y = points[..., 0] * width - 0.5, -points[..., 1] * height - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - left)[..., None], (y - top)[..., None]
    columns, rows = (left % width, (left + 1) % width), (top % height, (top + 1) % height)
    upper = plane[rows[0], columns[0]] * (1.0 - fx) + plane[rows[0], columns[1]] * fx
    lower = plane[rows[1], columns[0]] * (1.0 - fx) + plane[rows[1], columns[1]] * fx
    result: Array = (upper * (1.0 - fy) + lower * fy).astype(np.float32)
    return result
