# SPDX-License-Identifier: Apache-2.0
"""Recipe -> scene: the places, skies and lights that make an environment. Numpy only."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from texgen.maps import Light
from texgen.recipes.recipe import Recipe
from texgen_server.environment.layouts import Surroundings, sides, sky_over_ground
from texgen_server.environment.sky_model import SkyModel
from texgen_server.noise import uniforms

Array = NDArray[np.float32]

MOST_LIGHTS = 3
MAX_CODE_MIX = 0.35
"""Largest step of a code from one panorama's towards another's of its class."""


@dataclass(frozen=True)
class EnvironmentTables:
    """Measurements of each training panorama, in the order of the classes' members."""

    codes: Array  # (N, code_dim)
    layouts: Array  # (N, 4, L, 2 L), `environment.layouts`
    skies: Array  # (N, 3, L, 2 L)
    lights: (
        Array  # (N, 3, 6): azimuth, elevation, radius in degrees, flux; zeros where there is none
    )
    exposures: Array  # (N,) log2 of the geometric mean
    sunny: NDArray[np.bool_]  # (N,) whether the brightest light is, or would be, the sun
    rows: dict[str, tuple[int, ...]]  # class -> its rows
    model: SkyModel

    def lights_of(self, row: int) -> list[Light]:
        """Return the lights of a row, the brightest first."""
        found = [[float(number) for number in light] for light in self.lights[row] if light[2] > 0]
        return [
            Light(azimuth, elevation, radius, (red, green, blue))
            for azimuth, elevation, radius, red, green, blue in found
        ]


@dataclass(frozen=True)
class Scene:
    """The network's inputs, and the changes of its result."""

    layout: Array  # (4, L, 2 L)
    codes: Array  # (2, code_dim) of the sky and of all else
    lights: tuple[Light, ...]  # the key light at azimuth 0
    seed: int
    gains: Array  # (3,) radiance is multiplied by them
    azimuth_deg: float  # where azimuth 0 of all that goes
    row: int  # whose sky it is


def make_scene(recipe: Recipe, tables: EnvironmentTables) -> Scene:
    """Make the scene that the classes and the seed of a recipe name: a place under a sky, mirrored
    or not.

    Its controls are applied later (`controls`).
    """
    draw = uniforms(recipe.seed, 1, 8)
    above = _pick(recipe, tables, draw[0])
    below = _pick(recipe, tables, draw[1]) if tables.sunny[above] else above
    first, second = (_surroundings(tables, row) for row in (above, below))
    if draw[2] < 0.5:
        first = first.mirrored()
    if draw[3] < 0.5:
        second = second.mirrored()
    if first.outdoors and second.outdoors:
        layout = sky_over_ground(first, second, np.ones(first.layout.shape[2], np.float32))
    else:
        other = _surroundings(tables, _pick(recipe, tables, draw[4]))
        layout = sky_over_ground(
            first,
            other.mirrored() if draw[5] < 0.5 else other,
            sides(draw[6], first.layout.shape[2]),
        )
    partner = _pick(recipe, tables, draw[4])
    share = np.float32(MAX_CODE_MIX * draw[7] * recipe.psi)
    codes = np.stack(
        [tables.codes[row] * (1 - share) + tables.codes[partner] * share for row in (above, below)]
    )
    lights = tuple(_mirror(light) if draw[2] < 0.5 else light for light in tables.lights_of(above))
    gains = np.full(3, 2.0 ** float(tables.exposures[above]), np.float32)
    return Scene(layout, codes.astype(np.float32), lights, recipe.seed, gains, 0.0, above)


def _pick(recipe: Recipe, tables: EnvironmentTables, draw: float) -> int:
    """Pick a row of the recipe's classes by one number in [0, 1)."""
    for name, weight in recipe.classes:
        if draw < weight or name == recipe.classes[-1][0]:
            rows = tables.rows[name]
            return rows[min(len(rows) - 1, int(draw / weight * len(rows)))]
        draw -= weight
    raise AssertionError("a recipe has classes")


def _surroundings(tables: EnvironmentTables, row: int) -> Surroundings:
    lights = tables.lights_of(row)
    return Surroundings(
        tables.layouts[row], tables.skies[row], (0.0, lights[0].elevation_deg) if lights else None
    )


def _mirror(light: Light) -> Light:
    return replace(light, azimuth_deg=-light.azimuth_deg)
