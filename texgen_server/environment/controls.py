# SPDX-License-Identifier: Apache-2.0
"""The controls of an environment: changes of its scene before the network, and of its light after
it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from texgen.maps import Light
from texgen.render.panorama import pixel_angles, pixel_directions
from texgen_server.environment.layouts import angles_from
from texgen_server.environment.scene import EnvironmentTables, Scene
from texgen_server.environment.sky_model import SkyModel
from texgen_server.environment.white_balance import white_balance
from texgen_server.networks.channels import RADIANCE, SKY, STOPS

Array = NDArray[np.float32]

AS_DRAWN_DEG = -20.0
"""Value of ``sun_elevation_deg`` that leaves the sun where the class and the seed put it."""
SET_BELOW_DEG = -1.0
"""Elevation below which the sun's disc is not rendered."""
OVERCAST_SUN_STOPS = 14.0
"""Stops that a closed cover of clouds takes from the sun."""
HORIZON_DEG = 8.0
GLOW_REACH_DEG = 18.0
"""Distance from a sun within which its glow makes the sky brighter than its surroundings."""
USUAL_ELEVATION_DEG = 35.0


def apply_controls(scene: Scene, value: Mapping[str, float], tables: EnvironmentTables) -> Scene:
    """Return the scene with every control at its value."""
    unchanged = scene.layout
    if value["sun_elevation_deg"] != AS_DRAWN_DEG:
        scene = _raised(scene, value["sun_elevation_deg"], tables)
    if value["cloud_cover"]:
        scene = _clouded(scene, value["cloud_cover"], tables)
    layout = scene.layout + _tones(scene.layout, value["horizon_ev"], value["ground_ev"])
    lights = scene.lights
    if lights:
        sun = lights[0]
        factor = 2.0 ** value["sun_intensity_ev"]
        key = Light(
            sun.azimuth_deg,
            sun.elevation_deg,
            sun.radius_deg * value["sun_size"],
            _scaled(sun.flux, np.full(3, factor)),
        )
        lights = (key, *lights[1:])
    gains = (
        scene.gains
        * np.float32(2.0 ** value["exposure_ev"])
        * white_balance(value["white_balance_k"])
    )
    moved = replace(
        scene, layout=layout, lights=lights, gains=gains, azimuth_deg=value["sun_azimuth_deg"]
    )
    return _as_bright_as(unchanged, moved)


def _as_bright_as(unchanged: Array, scene: Scene) -> Scene:
    """Return the same light by way of a layout of the usual brightness: at dusk the network would
    get input that it was never trained on, and add grain.
    """
    weights = np.cos(np.radians(pixel_angles(unchanged.shape[1])[1]))
    shift = np.float32(
        ((scene.layout - unchanged)[RADIANCE].mean((0, 2)) * weights).sum() / weights.sum()
    )
    if not shift:
        return scene
    layout, factor = scene.layout.copy(), float(2.0 ** (shift * STOPS))
    layout[RADIANCE] -= shift
    lights = tuple(
        replace(light, flux=_scaled(light.flux, np.full(3, 1.0 / factor))) for light in scene.lights
    )
    return replace(scene, layout=layout, lights=lights, gains=scene.gains * np.float32(factor))


def _tones(layout: Array, horizon_ev: float, ground_ev: float) -> Array:
    """Return the change (4, L, 2 L) of a layout by a brighter band at the horizon and a brighter
    ground.
    """
    _, elevation = pixel_angles(layout.shape[1])
    added = np.zeros_like(layout)
    added[RADIANCE] = horizon_ev / STOPS * np.exp(-((elevation / HORIZON_DEG) ** 2))[:, None]
    below = (
        1.0 - layout[SKY] if layout[SKY].any() else (elevation < 0.0).astype(np.float32)[:, None]
    )
    added[RADIANCE] += ground_ev / STOPS * below
    return added


def _raised(scene: Scene, elevation_deg: float, tables: EnvironmentTables) -> Scene:
    """Move the brightest light to another elevation; under a sun, sky and ground follow."""
    old = scene.lights[0].elevation_deg if scene.lights else _likely_elevation(tables, scene.row)
    lights = scene.lights
    if not tables.sunny[scene.row]:
        moved = tuple(replace(light, elevation_deg=elevation_deg) for light in lights[:1])
        return replace(scene, lights=(*moved, *lights[1:]))
    model = tables.model
    change = model.sky(elevation_deg) - model.sky(old)
    sun_change = model.sun_stops(elevation_deg) - model.sun_stops(old)
    if lights:
        sun = replace(
            lights[0],
            elevation_deg=elevation_deg,
            flux=_scaled(lights[0].flux, np.exp2(sun_change)),
        )
        lights = (sun, *lights[1:]) if elevation_deg > SET_BELOW_DEG else ()
    else:  # behind clouds it brightens all of the sky alike
        change = np.broadcast_to(change.mean((1, 2), keepdims=True), change.shape)
    ground = ground_stops(model, elevation_deg, sunlit=bool(scene.lights)) - ground_stops(
        model, old, sunlit=bool(scene.lights)
    )
    share = scene.layout[SKY]
    layout = scene.layout.copy()
    layout[RADIANCE] += (change * share + ground[:, None, None] * (1.0 - share)) / STOPS
    if scene.lights:
        azimuth = scene.lights[0].azimuth_deg
        layout = with_glow_moved(
            layout, (azimuth, old), (azimuth, elevation_deg) if lights else None
        )
    return replace(scene, layout=layout, lights=lights)


def with_glow_moved(
    layout: Array, old: tuple[float, float], new: tuple[float, float] | None
) -> Array:
    """Move a sun's glow, the part of the sky that is brighter than its surroundings, to another
    place (azimuth and elevation in degrees); None: remove it.
    """
    away, sky = angles_from(old, layout.shape[1]), layout[SKY]
    around = (away > GLOW_REACH_DEG) & (away < 1.5 * GLOW_REACH_DEG) & (sky > 0.5)
    if not around.any():
        return layout
    level = layout[RADIANCE, around].mean(1)[:, None, None]
    inside = np.clip((GLOW_REACH_DEG - away) / (GLOW_REACH_DEG / 3.0), 0.0, 1.0) * sky
    glow = np.maximum(layout[RADIANCE] - level, 0.0) * inside
    moved = layout.copy()
    moved[RADIANCE] -= glow
    _fill(moved, away < GLOW_REACH_DEG, around, sky)
    if new is not None:
        angles = np.arange(0.5, 5.0) * (GLOW_REACH_DEG / 5.0)
        near = np.exp(-(((away - angles[:, None, None]) / (GLOW_REACH_DEG / 5.0)) ** 2)) * (
            sky > 0.5
        )
        profile = [
            (glow[c] * near).sum((1, 2)) / np.maximum(near.sum((1, 2)), 1e-6) for c in range(3)
        ]
        there = angles_from(new, layout.shape[1])
        moved[RADIANCE] += (
            np.stack([np.interp(there, angles, p, right=0.0) for p in profile]).astype(np.float32)
            * sky
        )
    return moved


def _fill(layout: Array, inside: NDArray[np.bool_], around: NDArray[np.bool_], sky: Array) -> None:
    """Fill the place that a sun has left with a sky no darker than its surroundings, nearer cells
    counting more: the model may have removed more than there was.
    """
    rays = pixel_directions(layout.shape[1])
    left = inside & (sky > 0.5)
    near = np.exp(
        (rays[left] @ rays[around].T - 1.0) / (1.0 - math.cos(math.radians(GLOW_REACH_DEG / 2.0)))
    )
    level = (near @ layout[RADIANCE, around].T / near.sum(1, keepdims=True)).T
    layout[RADIANCE, left] = np.maximum(layout[RADIANCE, left], level)


def ground_stops(model: SkyModel, elevation_deg: float, *, sunlit: bool) -> Array:
    """Return (3,) log2 of the irradiance of the ground under a clear sky, with its sun or
    without.
    """
    sky = model.sky(elevation_deg)
    _, elevation = pixel_angles(sky.shape[1])
    up = np.radians(np.maximum(elevation, 0.0))
    weights = np.sin(up) * np.cos(up)
    light = (np.exp2(sky.astype(np.float64)).mean(2) * weights).sum(1) / weights.sum() * math.pi
    if sunlit:
        light = light + np.exp2(model.sun_stops(elevation_deg).astype(np.float64)) * math.sin(
            math.radians(max(elevation_deg, 0.5))
        )
    result: Array = np.log2(light).astype(np.float32)
    return result


def _likely_elevation(tables: EnvironmentTables, row: int) -> float:
    """Estimate the elevation of a sun behind clouds: the mean of its class, else
    `USUAL_ELEVATION_DEG`.
    """
    rows = next(rows for rows in tables.rows.values() if row in rows)
    seen = [tables.lights[r, 0, 1] for r in rows if tables.lights[r, 0, 2] > 0 and tables.sunny[r]]
    return float(np.mean(seen)) if seen else USUAL_ELEVATION_DEG


def _clouded(scene: Scene, cover: float, tables: EnvironmentTables) -> Scene:
    """Change the clouds: above 0 towards an overcast sky, below 0 towards a clear one."""
    share = scene.layout[SKY]
    if not tables.sunny[scene.row] or not share.any():
        return scene
    weight = share / share.sum()
    level = (scene.layout[RADIANCE] * weight).sum((1, 2))
    if cover > 0:
        _, elevation = pixel_angles(share.shape[0])
        gradient = (
            np.log2((1.0 + 2.0 * np.sin(np.radians(np.maximum(elevation, 0.0)))) / 3.0) / STOPS
        )  # CIE overcast sky
        gradient = gradient - (gradient[:, None] * weight).sum()
        aim = level.mean() + np.broadcast_to(gradient[None, :, None], (3, *share.shape))
        lights = tuple(
            replace(
                light, flux=_scaled(light.flux, np.full(3, 2.0 ** (-OVERCAST_SUN_STOPS * cover**2)))
            )
            for light in scene.lights
        )
        code = _class_code(tables, "overcast")
    else:
        elevation_deg = (
            scene.lights[0].elevation_deg if scene.lights else _likely_elevation(tables, scene.row)
        )
        clear = tables.model.sky(elevation_deg) / STOPS
        aim = clear - (clear * weight).sum((1, 2))[:, None, None] + level.mean()
        lights, code = scene.lights, _class_code(tables, "outdoor_clear")
    amount = np.float32(abs(cover))
    layout, codes = scene.layout.copy(), scene.codes.copy()
    layout[RADIANCE] += amount * share * (aim - layout[RADIANCE])
    if code is not None:
        codes[0] += amount * (code - codes[0])
    return replace(scene, layout=layout, codes=codes, lights=lights)


def _class_code(tables: EnvironmentTables, name: str) -> Array | None:
    return tables.codes[list(tables.rows[name])].mean(0) if name in tables.rows else None


def _scaled(
    flux: tuple[float, float, float], factors: NDArray[np.floating]
) -> tuple[float, float, float]:
    red, green, blue = (float(f * k) for f, k in zip(flux, factors, strict=True))
    return red, green, blue
