# SPDX-License-Identifier: Apache-2.0
"""Prepared maps, and the split of maps into training and validation."""

from __future__ import annotations

import numpy as np

from tests.texgen_server.training.environment.toys import clear_day
from texgen.maps import Light
from texgen_server.training.catalog import read_split
from texgen_server.training.environment.data import SPLIT_FILE, place_of, prepared


def test_a_prepared_map_has_its_sun_at_azimuth_0_and_its_light_in_the_layout():
    one = prepared(
        clear_day(light=Light(-120.0, 40.0, 0.5, (30.0, 28.0, 25.0))), 0.0, indoors=False
    )
    assert one.lights[0].azimuth_deg == 0.0
    assert one.layout.shape == (4, 64, 128)
    cells = np.exp2(one.stops * 4.0).reshape(3, 64, 8, 128, 8).mean((2, 4))
    assert np.abs(np.log2(cells) - one.layout[:3] * 4.0).max() < 0.05
    assert prepared(clear_day(), 0.0, indoors=True).layout[3].max() == 0.0


def test_maps_of_one_place_are_held_out_together():
    assert place_of("kloppenheim_02_puresky") == place_of("kloppenheim_02")
    held = read_split(SPLIT_FILE)
    rows = [line.split(",") for line in SPLIT_FILE.read_text().splitlines()[1:]]
    places = {}
    for asset, _, place, part in rows:
        places.setdefault(place, set()).add(part)
        assert (asset in held) == (part == "validation")
    assert all(len(parts) == 1 for parts in places.values())
