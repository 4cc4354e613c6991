# SPDX-License-Identifier: Apache-2.0
"""Lights in a panorama."""

from __future__ import annotations

import numpy as np
import pytest

from texgen.maps import Light
from texgen.render.panorama import (
    solid_angles,
)
from texgen_server.environment.lights import HALF_MOST, half_safe, render_light


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
    rows, columns, radiance = render_light(light, height)
    flux = (radiance.astype(np.float64) * solid_angles(height)[rows][..., None]).sum((0, 1))
    assert flux == pytest.approx(light.flux, rel=1e-4)
    assert (radiance >= 0).all()
    assert len(set(columns.tolist())) == len(columns)


def test_a_light_beyond_half_floats_grows_and_keeps_its_flux():
    sun = half_safe(Light(0.0, 45.0, 0.2, (40.0, 40.0, 40.0)), 2048)
    assert sun.radius_deg > 0.2
    _, _, radiance = render_light(sun, 2048)
    assert radiance.max() <= HALF_MOST * 1.2
    assert half_safe(Light(0.0, 45.0, 0.3, (1.0, 1.0, 1.0)), 2048).radius_deg == 0.3
