# SPDX-License-Identifier: Apache-2.0
"""Renders the table of clear skies (`environment.sky_model`) with Mitsuba 3, extra ``train``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from texgen.render.panorama import pixel_directions
from texgen_server.environment.sky_model import LOWEST_DEG, Array, SkyModel

ELEVATIONS_DEG = (
    LOWEST_DEG,
    1.0,
    2.0,
    3.0,
    5.0,
    7.0,
    10.0,
    14.0,
    20.0,
    28.0,
    38.0,
    50.0,
    65.0,
    80.0,
    89.0,
)
TURBIDITY, ALBEDO = 3.0, 0.3
LOWEST_SUN_DEG = 3.0
LOW_SUN_STOPS = (0.35, 0.55, 0.75)
REDDEST_STOPS = 4.0


def clear_skies(rows: int) -> SkyModel:
    """Render skies with so many rows, which takes some seconds.

    Raises ImportError without Mitsuba.
    """
    import mitsuba

    mitsuba.set_variant("scalar_rgb")
    skies, suns = zip(
        *(_one(mitsuba, elevation, rows) for elevation in ELEVATIONS_DEG), strict=True
    )
    return SkyModel(
        np.array(ELEVATIONS_DEG, np.float32), np.stack(skies), _with_low_suns(np.stack(suns))
    )


def _with_low_suns(suns: Array) -> Array:
    """Extend the fluxes of suns below 3 degrees, where the model ends: they lose `LOW_SUN_STOPS` a
    degree, and blue is never more than `REDDEST_STOPS` below red.
    """
    first = ELEVATIONS_DEG.index(LOWEST_SUN_DEG)
    fall = (LOWEST_SUN_DEG - np.array(ELEVATIONS_DEG[:first], np.float32))[:, None] * np.array(
        LOW_SUN_STOPS, np.float32
    )
    suns = np.concatenate([suns[first] - fall, suns[first:]])
    redder: Array = np.maximum(
        suns, suns[:, :1] - np.array((0.0, 0.5, 1.0), np.float32) * REDDEST_STOPS
    )
    return redder


def _one(mitsuba: Any, elevation_deg: float, rows: int) -> tuple[Array, Array]:
    """Return log2 radiance (3, rows, 2 rows) of a sky and log2 flux (3,) of its sun, which stands
    at azimuth 0.
    """
    rays = pixel_directions(rows)
    rays = np.stack(
        [rays[..., 0], rays[..., 2], np.maximum(rays[..., 1], 0.01)], -1
    )  # Mitsuba's z is up; the ground shows the horizon
    radians = math.radians(elevation_deg)
    towards = [0.0, math.cos(radians), math.sin(radians)]
    about: dict[str, Any] = {
        "type": "sunsky",
        "turbidity": TURBIDITY,
        "albedo": ALBEDO,
        "sun_direction": towards,
    }
    sky = mitsuba.load_dict(about | {"sun_scale": 0.0})
    radiance = np.array([[_looked(mitsuba, sky, ray) for ray in row] for row in rays])
    sun = mitsuba.load_dict(about | {"sky_scale": 0.0, "sun_aperture": 1.0})
    disc = _looked(mitsuba, sun, np.array(towards)) * math.pi * math.radians(0.5) ** 2
    return np.log2(np.maximum(radiance, 1e-8)).transpose(2, 0, 1).astype(np.float32), np.log2(
        np.maximum(disc, 1e-8)
    ).astype(np.float32)


def _looked(mitsuba: Any, emitter: Any, ray: Any) -> Any:
    """Return the radiance from a direction."""
    interaction = mitsuba.SurfaceInteraction3f()
    unit = ray / np.linalg.norm(ray)
    interaction.wi = mitsuba.Vector3f(*(-unit).tolist())
    return np.array(emitter.eval(interaction)).ravel()[:3]
