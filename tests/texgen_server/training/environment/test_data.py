# SPDX-License-Identifier: Apache-2.0
"""What training knows of a map: its lights, its sky, its split, and what of a new one the known
ones can say.
"""

from __future__ import annotations

import numpy as np
import pytest

from texgen.maps import Light
from texgen.render.panorama import luminance, pixel_angles, solid_angles
from texgen_server.environment.lights import render_light
from texgen_server.training.catalog import read_split
from texgen_server.training.environment.data import ROWS, SPLIT_FILE, place_of, prepared
from texgen_server.training.environment.invert import inverted, layout_basis
from texgen_server.training.environment.lights import take_lights
from texgen_server.training.environment.sky import filled_sky, sky_mask


def clear_day(rows=ROWS, light=None):
    """A blue sky over a dark, rough ground, with a wall before it."""
    _, elevation = pixel_angles(rows)
    rng = np.random.default_rng(0)
    out = np.where(
        (elevation > 0)[:, None, None],
        np.array([0.4, 0.6, 1.0]),
        0.1 * np.exp(rng.normal(0, 0.8, (rows, 2 * rows, 1))),
    )
    wall = (elevation > 0) & (elevation < 30)
    out[np.ix_(wall, np.arange(rows // 4, rows // 2))] = 0.05
    out = np.ascontiguousarray(out, np.float32)
    if light:
        rows_, columns, radiance = render_light(light, rows)
        out[rows_, columns] += radiance
    return out


def test_a_sun_is_found_where_it_stands_and_taken_out():
    sun = Light(70.0, 35.0, 0.5, (30.0, 28.0, 25.0))
    day = clear_day(light=sun)
    (found,), rest = take_lights(day)
    assert (found.azimuth_deg, found.elevation_deg) == pytest.approx((70.0, 35.0), abs=0.1)
    assert found.radius_deg == pytest.approx(0.5, abs=0.15)
    assert found.flux == pytest.approx(sun.flux, rel=0.02)
    assert luminance(rest).max() < 5.0
    assert take_lights(clear_day())[0] == []
    lost = take_lights(day, 0.5)[0][0]
    total = float((luminance(day) * solid_angles(ROWS)).sum())
    assert float(luminance(np.array(lost.flux)) - luminance(np.array(found.flux))) == pytest.approx(
        total, rel=0.01
    )


def test_the_sky_is_what_is_above_and_not_the_wall():
    mask = sky_mask(clear_day(128))
    _, elevation = pixel_angles(128)
    assert mask[elevation > 35].all()
    assert not mask[elevation < -2].any()
    assert not mask[(elevation > 5) & (elevation < 25)][:, 36:60].any()
    colors = np.where(mask, 1.0, -1.0)[None].astype(np.float32)
    assert (filled_sky(colors, mask.astype(np.float32)) > 0.99).all()


def test_a_prepared_map_has_its_sun_at_azimuth_0_and_its_light_in_the_layout():
    one = prepared(
        clear_day(light=Light(-120.0, 40.0, 0.5, (30.0, 28.0, 25.0))), 0.0, indoors=False
    )
    assert one.lights[0].azimuth_deg == 0.0
    assert one.layout.shape == (4, 64, 128)
    cells = np.exp2(one.stops * 4.0).reshape(3, 64, 8, 128, 8).mean((2, 4))
    assert np.abs(np.log2(cells) - one.layout[:3] * 4.0).max() < 0.05
    assert prepared(clear_day(), 0.0, indoors=True).layout[3].max() == 0.0


def test_a_layout_between_known_ones_is_come_near_to():
    """The basis has half as many axes as there are layouts and mirror images: half of unrelated
    noise is out of its reach.
    """
    rng = np.random.default_rng(1)
    known = rng.normal(0, 0.3, (6, 4, 32, 64)).astype(np.float32)
    basis = layout_basis(known)
    aim = known[2] * 0.5 + known[4] * 0.5
    before, after = (
        np.abs(found[:3] - aim[:3]).mean() for found in (basis.mean, inverted(aim, basis))
    )
    assert after < 0.6 * before


def test_maps_of_one_place_are_held_out_together():
    assert place_of("kloppenheim_02_puresky") == place_of("kloppenheim_02")
    held = read_split(SPLIT_FILE)
    rows = [line.split(",") for line in SPLIT_FILE.read_text().splitlines()[1:]]
    places = {}
    for asset, _, place, part in rows:
        places.setdefault(place, set()).add(part)
        assert (asset in held) == (part == "validation")
    assert all(len(parts) == 1 for parts in places.values())
