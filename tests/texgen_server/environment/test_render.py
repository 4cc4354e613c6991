# SPDX-License-Identifier: Apache-2.0
"""Panoramas: seam, poles, sun and light, over a real connection."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.environment.panoramas import RAW
from texgen.recipes.build import make_recipe
from texgen.render.panorama import (
    angles,
    luminance,
    pixel_directions,
    radiance_harmonics,
    solid_angles,
)
from texgen_server.environment.controls import apply_controls
from texgen_server.environment.layouts import (
    enlarged,
)
from texgen_server.environment.scene import make_scene
from texgen_server.networks.channels import STOPS


def without_lights(environment, radiance):
    """With every pixel near a light at the median."""
    out = radiance.copy()
    for light in environment.lights:
        towards = pixel_directions(len(out)) @ np.array(
            [
                np.cos(np.radians(light.elevation_deg)) * np.sin(np.radians(light.azimuth_deg)),
                np.sin(np.radians(light.elevation_deg)),
                np.cos(np.radians(light.elevation_deg)) * np.cos(np.radians(light.azimuth_deg)),
            ]
        )
        out[towards > np.cos(np.radians(light.radius_deg + 4.0))] = np.median(out)
    return out


@pytest.mark.parametrize("name", ["outdoor_clear", "overcast", "indoor"])
@pytest.mark.parametrize("width_px", [256, 512])
def test_it_is_continuous_at_the_seam_and_the_poles(make, name, width_px):
    environment, radiance = make(name, width_px=width_px, sun_azimuth_deg=40.0)
    assert radiance.shape == (width_px // 2, width_px, 3)
    assert np.isfinite(radiance).all()
    assert radiance.min() >= 0.0
    stops = np.log2(without_lights(environment, radiance) + 1e-6)
    steps = np.abs(np.diff(stops, axis=1)).mean((0, 2))
    assert np.abs(stops[:, 0] - stops[:, -1]).mean() <= np.quantile(steps, 0.99)
    half = width_px // 2
    down = np.abs(np.diff(stops, axis=0)).mean((1, 2))
    for row in (0, -1):
        assert np.abs(stops[row] - np.roll(stops[row], half, 0)).mean() <= down.max() * 1.5


def test_azimuth_is_an_exact_roll(make):
    """By whole pixels, the lights' disc aside, which is drawn where it is said to be."""
    still, before = make()
    for degrees, columns in ((45.0, 32), (-90.0, -64), (180.0, 128)):
        moved, after = make(sun_azimuth_deg=degrees)
        assert np.array_equal(np.roll(before, columns, 1), after)
        assert (
            moved.lights[0].azimuth_deg - still.lights[0].azimuth_deg - degrees
        ) % 360 == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("azimuth", "elevation"), [(0.0, 30.0), (133.7, 5.0), (-179.9, 60.0), (77.0, 88.0)]
)
@pytest.mark.parametrize("width_px", [256, 512])
def test_the_sun_stands_where_it_is_told_to(make, azimuth, elevation, width_px):
    """The brightest spot's centre within half a pixel, and its flux as stated."""
    environment, radiance = make(
        width_px=width_px, sun_azimuth_deg=azimuth, sun_elevation_deg=elevation
    )
    sun = environment.lights[0]
    assert (sun.elevation_deg, (sun.azimuth_deg - azimuth + 180) % 360 - 180) == pytest.approx(
        (elevation, 0.0), abs=1e-4
    )
    bright = luminance(radiance)
    weights = np.where(bright > 0.3 * bright.max(), bright, 0.0) * solid_angles(len(bright))
    centre = (pixel_directions(len(bright)) * weights[..., None]).sum((0, 1))
    towards = np.array(angles((centre / np.linalg.norm(centre)).astype(np.float32)))
    apart = np.degrees(np.arccos(np.clip(_ray(*towards) @ _ray(azimuth, elevation), -1, 1)))
    assert apart < 0.6 * 360 / width_px
    dark, around = make(
        width_px=width_px,
        sun_azimuth_deg=azimuth,
        sun_elevation_deg=elevation,
        sun_intensity_ev=-6.0,
    )
    gained = ((radiance - around) * solid_angles(len(bright))[..., None]).sum((0, 1))
    assert gained == pytest.approx(np.array(sun.flux) - np.array(dark.lights[0].flux), rel=0.02)


def _ray(azimuth, elevation):
    a, e = np.radians(azimuth), np.radians(elevation)
    return np.array([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)])


def test_the_same_recipe_gives_the_same_bytes_and_another_seed_another_place(client, make):
    environment, radiance = make(sun_elevation_deg=12.5, cloud_cover=0.25)
    again = client.generate_environment(recipe=environment.recipe, **RAW)
    assert again.panorama.data == environment.panorama.data
    assert (again.controls, again.seed, again.lights) == (
        environment.controls,
        environment.seed,
        environment.lights,
    )
    _, another = make(seed=4, sun_elevation_deg=12.5, cloud_cover=0.25)
    assert np.abs(np.log2(radiance + 1e-3) - np.log2(another + 1e-3)).mean() > 0.05
    large = client.generate_environment(recipe=environment.recipe, width_px=512, **RAW)
    assert (large.panorama.width_px, large.lights[0].elevation_deg) == (512, 12.5)
    assert (
        client.generate_environment(recipe=large.recipe, **RAW).panorama.data == large.panorama.data
    )


def test_every_cell_has_the_light_that_the_layout_says(make, tables, environment_card):
    """What lights a scene is decided in the layout: the network's detail changes none of it beyond
    the blur of a cell.
    """
    environment, radiance = make()
    recipe = make_recipe(environment_card, [("outdoor_clear", 1.0)], 3, (256, 128))
    scene = apply_controls(make_scene(recipe, tables), recipe.controls, tables)
    bare = without_lights(environment, radiance)
    said = np.exp2(enlarged(scene.layout[:3], 4) * STOPS).transpose(1, 2, 0) * scene.gains
    ours, theirs = radiance_harmonics(bare), radiance_harmonics(said.astype(np.float32))
    assert np.abs(ours - theirs).max() < 0.25 * np.abs(theirs).max()
