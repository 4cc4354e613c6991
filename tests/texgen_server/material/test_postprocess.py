# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import numpy as np
import pytest

from texgen.maps import MAP_SPECS, MapKind, to_unit
from texgen.recipes.build import make_recipe
from texgen_server.material.postprocess import (
    adjust_color,
    empty_maps,
    make_postprocess,
    normal_from_height,
    store_normal,
    store_window,
)
from texgen_server.material.sampling import make_plan
from texgen_server.registry import load_material

TILE_PX = 128.0


@pytest.fixture(scope="module")
def model(card):
    return load_material(card)


def finish_of(card, model, relief=0.02, **controls):
    recipe = make_recipe(card, [("bark", 1.0)], 5, (128, 64), 1.0, controls)
    return make_postprocess(
        make_plan(recipe, model.tables, model.shape), np.array([relief], np.float32)
    )


def finished(card, model, raw, relief=0.02, **controls):
    finish = finish_of(card, model, relief, **controls)
    maps = empty_maps(*raw.shape[1:])
    store_window(maps, raw, 0, 0, finish, None)
    store_normal(maps, finish.relief_tiles * TILE_PX)
    return maps, finish.relief_tiles


@pytest.fixture
def raw(rng):
    return rng.random((7, 64, 128)).astype(np.float32) * 0.6 + 0.2


def test_the_normal_is_that_of_the_stored_height(card, model, raw):
    maps, relief = finished(card, model, raw, relief_depth=1.5)
    assert relief == pytest.approx(0.03)
    again = normal_from_height(maps[MapKind.HEIGHT][..., 0], relief * TILE_PX)
    stored = to_unit(maps[MapKind.NORMAL]).transpose(2, 0, 1) * 2 - 1
    assert np.abs(stored - again).max() <= 1.0 / 255 + 1e-6
    assert (np.abs(np.linalg.norm(stored, axis=0) - 1) < 0.01).all()


def test_normals_in_strips_are_normals_of_the_whole(card, model, rng, monkeypatch):
    raw = rng.random((7, 96, 64)).astype(np.float32)
    whole = finished(card, model, raw)[0]
    monkeypatch.setattr("texgen_server.material.postprocess.STRIP_ROWS", 40)
    assert np.array_equal(finished(card, model, raw)[0][MapKind.NORMAL], whole[MapKind.NORMAL])


def chroma(maps):
    color = to_unit(maps[MapKind.BASECOLOR])
    return (color.max(-1) - color.min(-1)).mean()


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("relief_depth", lambda maps: np.abs(to_unit(maps[MapKind.NORMAL])[..., :2] - 0.5).mean()),
        ("roughness_offset", lambda maps: to_unit(maps[MapKind.ROUGHNESS]).mean()),
        ("saturation", chroma),
        ("brightness", lambda maps: to_unit(maps[MapKind.BASECOLOR]).mean()),
        ("contrast", lambda maps: to_unit(maps[MapKind.BASECOLOR]).mean(-1).std()),
    ],
)
def test_finishing_controls_move_what_they_name(card, model, raw, name, measure):
    control = next(c for c in card.controls if c.name == name)
    values = np.linspace(control.minimum, control.maximum, 5)
    measured = [measure(finished(card, model, raw, **{name: v})[0]) for v in values]
    assert all(a < b for a, b in itertools.pairwise(measured))


def test_a_third_of_a_turn_makes_red_green(card, model):
    red = np.zeros((3, 1, 1), np.float32)
    red[0] = 0.7
    turned = adjust_color(red, finish_of(card, model, hue_shift=120.0))[:, 0, 0]
    assert turned.argmax() == 1


def test_neutral_controls_change_no_colour(card, model, raw):
    assert np.array_equal(adjust_color(raw[:3], finish_of(card, model)), raw[:3])
    nearly = adjust_color(raw[:3], finish_of(card, model, brightness=1.000001))
    assert np.abs(nearly - raw[:3]).max() < 1e-3


def test_maps_have_the_dtypes_of_their_specs(card, model, raw):
    for kind, pixels in finished(card, model, raw)[0].items():
        assert pixels.dtype == MAP_SPECS[kind].dtype
        assert pixels.shape == (64, 128, MAP_SPECS[kind].channels)


def test_parts_of_unlike_relief_share_one_range(card, model):
    finish = finish_of(card, model)
    raw = np.full((7, 32, 64), 0.75, np.float32)
    shares = np.zeros((2, 32, 64), np.float32)
    shares[0, :, :32] = shares[1, :, 32:] = 1.0
    from dataclasses import replace

    maps = empty_maps(32, 64)
    store_window(
        maps, raw, 0, 0, replace(finish, part_reliefs=np.array([1.0, 0.2], np.float32)), shares
    )
    height = to_unit(maps[MapKind.HEIGHT])[0, :, 0]
    assert height[0] == pytest.approx(0.75, abs=1e-4)
    assert height[-1] == pytest.approx(0.55, abs=1e-4)
