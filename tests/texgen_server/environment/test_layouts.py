# SPDX-License-Identifier: Apache-2.0
"""Small panoramas, combined and enlarged."""

from __future__ import annotations

import numpy as np
import pytest

from texgen.render.panorama import (
    pixel_angles,
)
from texgen_server.environment.layouts import (
    Surroundings,
    conditioning,
    enlarged,
    sky_over_ground,
)


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
