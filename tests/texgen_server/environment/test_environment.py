# SPDX-License-Identifier: Apache-2.0
"""Environments from a tiny random network: seam, poles, energy, lights where they are said to be,
controls, recipes, errors.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from texgen import find_card
from texgen.errors import InvalidRequestError
from texgen.files.images import decode
from texgen.maps import Encoding, Light
from texgen.recipes.build import make_recipe
from texgen.render.panorama import (
    angles,
    luminance,
    pixel_angles,
    pixel_directions,
    radiance_harmonics,
    solid_angles,
)
from texgen_server.environment.controls import apply_controls, with_glow_moved
from texgen_server.environment.layouts import (
    Surroundings,
    angles_from,
    conditioning,
    enlarged,
    sky_over_ground,
)
from texgen_server.environment.lights import HALF_MOST, draw_light, half_safe
from texgen_server.environment.scene import make_scene
from texgen_server.environment.white_balance import white_balance
from texgen_server.networks.channels import STOPS
from texgen_server.registry import load_model

RAW = {"encoding": Encoding.RAW}


@pytest.fixture(scope="module")
def environment_card(models):
    return find_card("environment", models)


@pytest.fixture(scope="module")
def tables(environment_card):
    return load_model(environment_card).tables


@pytest.fixture
def make(client):
    """Class, controls -> (environment, radiance)."""

    def made(name="outdoor_clear", seed=3, width_px=256, **controls):
        environment = client.generate_environment(
            name, seed=seed, width_px=width_px, controls=controls, **RAW
        )
        return environment, np.asarray(decode(environment.panorama), np.float32)

    return made


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


def test_controls_do_what_they_say(make):
    _, base = make(sun_intensity_ev=-6.0)
    up, down = (slice(0, 60), slice(70, 128))
    _, brighter = make(sun_intensity_ev=-6.0, exposure_ev=2.0)
    assert np.median(brighter / base) == pytest.approx(4.0, rel=0.01)
    _, ground = make(sun_intensity_ev=-6.0, ground_ev=2.0)
    assert np.median(ground[down] / base[down]) > 2.5
    assert np.median(ground[up] / base[up]) == pytest.approx(1.0, abs=0.25)
    _, warm = make(sun_intensity_ev=-6.0, white_balance_k=10000.0)
    assert np.median(warm[..., 0] / warm[..., 2]) > 1.2 * np.median(base[..., 0] / base[..., 2])
    large, _ = make(sun_size=10.0)
    small, _ = make()
    assert large.lights[0].radius_deg == pytest.approx(10 * small.lights[0].radius_deg)
    assert large.lights[0].flux == pytest.approx(small.lights[0].flux)
    suns = [sum(make(cloud_cover=c)[0].lights[0].flux) for c in (-1.0, 0.0, 0.5, 1.0)]
    assert suns[0] == suns[1] > 2 * suns[2] > 100 * suns[3]
    noon, dusk, night = (make(sun_elevation_deg=e) for e in (60.0, 2.0, -8.0))
    assert sum(noon[0].lights[0].flux) > sum(dusk[0].lights[0].flux)
    assert not night[0].lights
    assert np.median(night[1]) < 0.2 * np.median(dusk[1]) < np.median(noon[1])


def test_a_lamp_in_a_room_moves_without_a_sky(make):
    moved, radiance = make("indoor", sun_elevation_deg=-10.0)
    still, before = make("indoor")
    assert moved.lights[0].elevation_deg == -10.0
    assert np.median(np.abs(np.log2(radiance + 1e-3) - np.log2(before + 1e-3))) < 0.5
    assert [light.elevation_deg for light in moved.lights[1:]] == [
        light.elevation_deg for light in still.lights[1:]
    ]


@pytest.mark.parametrize("height", [64, 512, 2048])
@pytest.mark.parametrize(
    "light",
    [
        Light(10.0, 20.0, 0.27, (1.0, 2.0, 3.0)),
        Light(179.95, 89.5, 2.0, (5.0, 5.0, 5.0)),
        Light(0.0, -90.0, 0.3, (1.0, 1.0, 1.0)),
    ],
)
def test_a_drawn_light_has_its_flux_at_any_size(height, light):
    rows, columns, radiance = draw_light(light, height)
    flux = (radiance.astype(np.float64) * solid_angles(height)[rows][..., None]).sum((0, 1))
    assert flux == pytest.approx(light.flux, rel=1e-4)
    assert (radiance >= 0).all()
    assert len(set(columns.tolist())) == len(columns)


def test_a_light_beyond_half_floats_grows_and_keeps_its_flux():
    sun = half_safe(Light(0.0, 45.0, 0.2, (40.0, 40.0, 40.0)), 2048)
    assert sun.radius_deg > 0.2
    _, _, radiance = draw_light(sun, 2048)
    assert radiance.max() <= HALF_MOST * 1.2
    assert half_safe(Light(0.0, 45.0, 0.3, (1.0, 1.0, 1.0)), 2048).radius_deg == 0.3


def test_white_balance_makes_its_own_colour_white():
    assert white_balance(6500.0) == pytest.approx(np.ones(3), abs=1e-6)
    warm, cool = white_balance(9000.0), white_balance(3500.0)
    assert warm[0] > 1 > warm[2]
    assert cool[0] < 1 < cool[2]
    assert float(luminance(white_balance(3000.0))) == pytest.approx(1.0, abs=1e-5)


def test_layouts_join_and_grow(tables, rng):
    places = [
        Surroundings(tables.layouts[i], tables.skies[i], None) for i in tables.rows["outdoor_clear"]
    ]
    both = sky_over_ground(places[0], places[1], np.ones(64, np.float32))
    assert np.allclose(both[:3, :14], places[0].sky[:, :14], atol=1e-5)
    assert np.array_equal(both[3], places[1].layout[3])
    assert np.array_equal(places[0].mirrored().mirrored().layout, places[0].layout)
    planes = rng.random((2, 32, 64)).astype(np.float32)
    large = enlarged(planes, 4)
    assert large.shape == (2, 128, 256)
    assert large.mean() == pytest.approx(planes.mean(), rel=0.01)
    assert np.allclose(enlarged(np.roll(planes, 5, 2), 4), np.roll(large, 20, 2))
    plan = conditioning(both, (0.0, 30.0), 64)
    _, elevation = pixel_angles(64)
    assert plan.shape == (8, 64, 128)
    assert np.unravel_index(plan[7].argmax(), (64, 128))[0] == np.abs(elevation - 30.0).argmin()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"classes": "submarine"}, "unknown class"),
        ({"classes": ""}, "no class given"),
        ({"classes": "indoor", "width_px": 300}, "256, 512, 1024, 2048"),
        ({"classes": "indoor", "controls": {"sun_elevation_deg": 91.0}}, "allowed is -20 to 90"),
        ({"classes": "indoor", "controls": {"haze": 1.0}}, "unknown control"),
        ({"classes": "indoor", "encoding": Encoding.PNG}, "exr and raw"),
        ({"classes": "indoor", "recipe": "tg1:AAAA"}, "give the recipe alone"),
        ({"recipe": "tg1:AAAA"}, "damaged"),
        ({"classes": "bark", "model": "material"}, "of kind 'material'"),
    ],
)
def test_bad_requests_are_told_what_is_allowed(client, arguments, said):
    with pytest.raises(InvalidRequestError, match=said):
        client.generate_environment(**arguments)


def test_a_scene_of_one_seed_is_one_place_at_every_elevation(tables, environment_card):
    recipe = make_recipe(environment_card, [("outdoor_clear", 1.0)], 8, (256, 128))
    scenes = [
        apply_controls(
            make_scene(recipe, tables), {**recipe.controls, "sun_elevation_deg": e}, tables
        )
        for e in np.linspace(-5, 60, 14)
    ]
    assert all(s.row == scenes[0].row and np.array_equal(s.codes, scenes[0].codes) for s in scenes)
    steps = [
        np.abs(b.layout[:3] - a.layout[:3]).max() * STOPS for a, b in itertools.pairwise(scenes)
    ]
    assert max(steps) < 8.0  # stops between frames five degrees apart, twilight included


def test_the_network_sees_dusk_as_bright_as_day(tables, environment_card):
    recipe = make_recipe(environment_card, [("outdoor_clear", 1.0)], 8, (256, 128))
    drawn = make_scene(recipe, tables)
    noon, dusk = (
        apply_controls(drawn, {**recipe.controls, "sun_elevation_deg": e}, tables)
        for e in (40.0, -6.0)
    )
    weights = np.cos(np.radians(pixel_angles(32)[1]))[:, None]
    seen = [float((s.layout[:3] * weights).mean()) for s in (drawn, noon, dusk)]
    assert np.ptp(seen) < 1e-4
    assert np.log2(noon.gains / dusk.gains).min() > 3.0
    sunny = apply_controls(drawn, {**recipe.controls, "ground_ev": 2.0}, tables)
    for before, after in zip(
        drawn.lights, sunny.lights, strict=True
    ):  # what is not moved keeps its light
        assert np.allclose(
            np.array(after.flux) * sunny.gains, np.array(before.flux) * drawn.gains, rtol=1e-4
        )


def test_a_suns_glow_goes_with_it():
    layout = np.zeros((4, 32, 64), np.float32)
    layout[3, :16] = 1.0
    old, new = (0.0, 20.0), (0.0, 60.0)
    layout[:3] += 0.5 * np.exp(-((angles_from(old, 32) / 7.0) ** 2)) * layout[3]
    moved = with_glow_moved(layout, old, new)
    away, there = angles_from(old, 32), angles_from(new, 32)
    assert np.unravel_index(moved[0].argmax(), (32, 64)) == np.unravel_index(
        (there + 1e3 * (layout[3] == 0)).argmin(), (32, 64)
    )
    assert moved[:3, (away < 8.0) & (layout[3] > 0)].max() < 0.1
    assert moved[0].max() > 0.6 * layout[0].max()
    assert np.array_equal(moved[:, 16:], layout[:, 16:])
    taken = layout.copy()
    taken[:3] -= (
        0.8 * np.exp(-((angles_from(old, 32) / 7.0) ** 2)) * layout[3]
    )  # a model that takes away more than there was
    assert with_glow_moved(taken, old, new)[:3, layout[3] > 0].min() > -0.05
    gone = with_glow_moved(layout, old, None)
    assert gone[:3].max() < 0.1
