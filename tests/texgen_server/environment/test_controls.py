# SPDX-License-Identifier: Apache-2.0
"""Controls of environments."""

from __future__ import annotations

import numpy as np
import pytest

from texgen.recipes.build import make_recipe
from texgen.render.panorama import (
    pixel_angles,
)
from texgen_server.environment.controls import apply_controls, with_glow_moved
from texgen_server.environment.layouts import (
    angles_from,
)
from texgen_server.environment.scene import make_scene


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
