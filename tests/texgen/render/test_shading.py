# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from texgen.render.shading import LIGHT, render_lit

EDGE = 8


def render(color=0.5, normal=(0.0, 0.0, 1.0), roughness=0.8, metallic=0.0, ao=1.0, **options):
    def plane(value):
        return np.full((EDGE, EDGE), value, np.float32)

    direction = np.array(normal, np.float32) / np.linalg.norm(normal)
    return render_lit(
        np.full((EDGE, EDGE, 3), color, np.float32),
        np.broadcast_to(direction, (EDGE, EDGE, 3)).astype(np.float32),
        plane(roughness),
        plane(metallic),
        plane(ao),
        **options,
    ).astype(float)


def test_an_even_material_is_lit_evenly():
    picture = render()
    assert picture.shape == (EDGE, EDGE, 3)
    assert np.ptp(picture) == 0.0


@pytest.mark.parametrize(
    ("brighter", "darker"),
    [
        ({"color": 0.8}, {"color": 0.2}),
        ({"normal": LIGHT}, {"normal": (0.55, -0.6, 0.58)}),
        ({"ao": 1.0}, {"ao": 0.0}),
        ({"sky": 2.0}, {"sky": 0.5}),
        ({"exposure": 1.0}, {"exposure": 0.5}),
    ],
)
def test_what_gets_more_light_is_brighter(brighter, darker):
    assert render(**brighter).mean() > render(**darker).mean()


def test_a_coloured_light_colours():
    red = render(light_rgb=np.array([1.5, 1.0, 0.5], np.float32)).mean((0, 1))
    assert red[0] > red[1] > red[2]
