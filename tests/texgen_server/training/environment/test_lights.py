# SPDX-License-Identifier: Apache-2.0
"""Lights of panoramas are found, measured and taken out."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.training.environment.toys import clear_day
from texgen.maps import Light
from texgen.render.panorama import luminance, solid_angles
from texgen_server.training.environment.data import ROWS
from texgen_server.training.environment.lights import take_lights


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
