# SPDX-License-Identifier: Apache-2.0
"""A slow drift of light, removed."""

from __future__ import annotations

import numpy as np

from tests.texgen_server.repair.pictures import blobs
from texgen.maps import MapKind
from texgen_server.repair.even_light import even_light


def test_a_lamp_to_one_side_is_taken_away_and_even_light_left(rng):
    even = {MapKind.BASECOLOR: blobs(rng, (200, 200), period=True)}
    assert even_light(even)[MapKind.BASECOLOR] is even[MapKind.BASECOLOR]
    ramp = np.linspace(-70, 70, 200)[None, :, None]
    lit = np.clip(even[MapKind.BASECOLOR] * 0.4 + 75 + ramp, 0, 255).astype(np.uint8)
    made = even_light({MapKind.BASECOLOR: lit})[MapKind.BASECOLOR].astype(float)
    left, right = made[:, :60].mean(), made[:, -60:].mean()
    assert abs(left - right) < 0.15 * abs(lit[:, :60].mean() - lit[:, -60:].mean())
    assert abs(made.mean() - lit.mean()) < 1.0
