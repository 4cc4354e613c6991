# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.texgen.dataset.sets import ABOVE, maps
from texgen.dataset.view import auto_exposure, random_view, render_view
from texgen.maps import MapKind


def test_a_view_from_above_shows_the_texture_the_right_way_up():
    colour = np.zeros((64, 64, 3), np.uint8) + 30
    colour[:16, :16] = (220, 30, 30)  # upper left
    near = replace(ABOVE, camera=(0.25, 0.75, 0.6), target=(0.25, 0.75, 0.0))
    picture = render_view(maps() | {MapKind.BASECOLOR: colour}, near, 64)
    red = picture[..., 0].astype(int) - picture[..., 1]
    assert red[:28, :28].mean() > 50 > 5 > red[36:, 36:].mean()


def test_views_repeat_with_the_tile_and_follow_the_light():
    tilted = replace(ABOVE, camera=(0.2, -0.6, 0.9), target=(0.3, 0.4, 0.0))
    moved = replace(tilted, camera=(1.2, -2.6, 0.9), target=(1.3, -1.6, 0.0))
    a, b = render_view(maps(), tilted, 48), render_view(maps(), moved, 48)
    assert np.abs(a.astype(int) - b).mean() < 1.0
    ramp = maps()
    slope = np.rint((np.array([-0.6, 0.0, 0.8]) * 0.5 + 0.5) * 255).astype(np.uint8)  # faces left
    ramp[MapKind.NORMAL] = np.zeros((64, 64, 3), np.uint8) + slope
    left, right = (
        render_view(ramp, replace(ABOVE, light=(x, 0.0, 0.6)), 32).mean() for x in (-0.8, 0.8)
    )
    assert left > right + 20
    warm = render_view(maps(), replace(ABOVE, light_rgb=(1.25, 1.0, 0.75)), 32).mean((0, 1))
    cool = render_view(maps(), replace(ABOVE, light_rgb=(0.75, 1.0, 1.25)), 32).mean((0, 1))
    assert warm[0] - warm[2] > cool[0] - cool[2] + 20


def test_bright_materials_are_not_merely_white():
    white = maps()
    white[MapKind.BASECOLOR] = np.clip(
        white[MapKind.BASECOLOR].astype(int) // 8 + 225, 0, 255
    ).astype(np.uint8)
    rng = np.random.default_rng(4)
    for view in (random_view(rng) for _ in range(20)):
        assert (render_view(white, view, 32, auto_exposure(white)) == 255).mean() < 0.05
    assert (
        auto_exposure(maps()) <= 1.0
        and auto_exposure(maps() | {MapKind.BASECOLOR: maps()[MapKind.BASECOLOR] // 8}) == 1.0
    )


def test_drawn_views_look_down_on_the_plane():
    rng = np.random.default_rng(2)
    for _ in range(200):
        view = random_view(rng)
        assert view.camera[2] > 0.5 and view.light[2] > 0.3
        assert np.isclose(np.linalg.norm(view.light), 1.0)
    picture = render_view(maps(), random_view(rng), 32)
    assert picture.std() > 5
