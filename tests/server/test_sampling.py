# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from texgen.maps import MapKind, to_unit
from texgen.recipe import make_recipe
from texgen_server.layout import layout_field
from texgen_server.noise import gaussian_field, uniforms
from texgen_server.registry import load_model
from texgen_server.sampling import choose_code, finish_maps, make_latents, normal_from_height, tile_layout


@pytest.fixture(scope="module")
def model(card):
    return load_model(card)


def recipe_of(card, size=(128, 64), seed=5, psi=1.0, classes=(("bark", 1.0),), **controls):
    return make_recipe(card, classes, seed, size, psi, controls)


def test_noise_is_standard_and_independent_of_the_canvas():
    small, large = gaussian_field(9, 2, 3, 16, 24), gaussian_field(9, 2, 3, 32, 64)
    assert np.array_equal(large[:, :16, :24], small)
    field = gaussian_field(1, 0, 1, 256, 256)[0]
    assert abs(field.mean()) < 0.02
    assert abs(field.std() - 1) < 0.02
    assert abs(np.corrcoef(field[:, :-1].ravel(), field[:, 1:].ravel())[0, 1]) < 0.02
    assert not np.array_equal(gaussian_field(9, 3, 3, 16, 24), small)
    assert not np.array_equal(gaussian_field(10, 2, 3, 16, 24), small)


GOLDEN_NOISE = [-1.323695, -0.885569, -0.176846]
GOLDEN_UNIFORMS = [0.48569092821941084, 0.2542261485367594]


def test_noise_is_the_same_for_ever():
    """Recipes name textures: this value must not change without a new format of recipes."""
    assert gaussian_field(2**64 - 1, 0, 1, 1, 3)[0, 0].tolist() == pytest.approx(GOLDEN_NOISE, abs=1e-6)
    assert uniforms(7, 1, 2).tolist() == pytest.approx(GOLDEN_UNIFORMS, abs=1e-12)


def test_layout_is_periodic_and_moves_with_its_origin(model):
    waves, amplitudes = model.tables.waves[:1], model.tables.amplitudes[:1]
    here = layout_field(waves, amplitudes, np.array([[0.25, 0.5]]), (1, 1), (64, 64))
    whole = layout_field(waves, amplitudes, np.array([[1.25, -0.5]]), (1, 1), (64, 64))
    moved = layout_field(waves, amplitudes, np.array([[0.25, 0.75]]), (1, 1), (64, 64))
    assert np.abs(here).max() > 0.1
    assert np.allclose(here, whole, atol=1e-4)
    assert np.allclose(np.roll(here, -16, 3), moved, atol=1e-4)
    twice = layout_field(waves, amplitudes, np.array([[0.25, 0.5]]), (2, 2), (128, 128))
    assert np.allclose(twice[..., :64, :64], here, atol=1e-4)
    assert np.allclose(twice[..., 64:, 64:], here, atol=1e-4)


def test_whole_tiles_fit_every_size(card):
    assert tile_layout(recipe_of(card, (1024, 512), tile_px=512)) == ((1, 2), 512)
    assert tile_layout(recipe_of(card, (256, 256), tile_px=512)) == ((1, 1), 256)
    tiles, density = tile_layout(recipe_of(card, (768, 512), tile_px=512))
    assert tiles == (1, 2)
    assert 384 < density < 512


def test_latents_have_the_shapes_of_the_size(card, model):
    latents = make_latents(recipe_of(card), model.tables, model.shape)
    assert latents.start.shape == (1, 4, 2, 4)
    assert [f.shape[2:] for f in latents.layouts] == [(2 * 2**i, 4 * 2**i) for i in range(5)]
    assert [f.shape for f in latents.noises] == [(1, 1, 2 * 2**i, 4 * 2**i) for i in range(5)]


def test_truncation_and_mixes(card, model):
    at_zero = [choose_code(recipe_of(card, seed=s, psi=0.0), model.tables)[0] for s in range(5)]
    assert all(np.allclose(c, at_zero[0], atol=1e-6) for c in at_zero)
    spread = [np.stack([choose_code(recipe_of(card, seed=s, psi=p), model.tables)[0] for s in range(20)]).std(0).mean() for p in (0.5, 1.0)]
    assert spread[1] == pytest.approx(2 * spread[0], rel=1e-3)
    pure = choose_code(recipe_of(card), model.tables)[0]
    other = choose_code(recipe_of(card, classes=[("rock", 1.0)]), model.tables)[0]
    mixed = choose_code(recipe_of(card, classes=[("bark", 0.7), ("rock", 0.3)]), model.tables)[0]
    assert np.allclose(mixed, 0.7 * pure + 0.3 * other, atol=1e-5)


def raw_maps(rng, rows=64, columns=128):
    return rng.random((7, rows, columns)).astype(np.float32)


def test_the_normal_is_that_of_the_stored_height(card, rng):
    recipe = recipe_of(card, relief_depth=1.5)
    maps, relief = finish_maps(raw_maps(rng), 0.02, recipe, 128.0)
    assert relief == pytest.approx(0.03)
    again = normal_from_height(maps[MapKind.HEIGHT][..., 0], relief * 128.0)
    stored = to_unit(maps[MapKind.NORMAL]).transpose(2, 0, 1) * 2 - 1
    assert np.abs(stored - again).max() <= 1.0 / 255 + 1e-6
    assert (np.abs(np.linalg.norm(stored, axis=0) - 1) < 0.01).all()


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("relief_depth", lambda maps: np.abs(to_unit(maps[MapKind.NORMAL])[..., :2] - 0.5).mean()),
        ("roughness_offset", lambda maps: to_unit(maps[MapKind.ROUGHNESS]).mean()),
    ],
)
def test_finishing_controls_move_what_they_name(card, rng, name, measure):
    control = next(c for c in card.controls if c.name == name)
    raw = raw_maps(rng)
    values = np.linspace(control.minimum, control.maximum, 5)
    measured = [measure(finish_maps(raw, 0.01, recipe_of(card, **{name: v}), 128.0)[0]) for v in values]
    assert all(a < b for a, b in itertools.pairwise(measured))


def test_regularity_scales_the_layout(card, model):
    strengths = [make_latents(recipe_of(card, regularity=r), model.tables, model.shape).layouts[3].std() for r in (0.0, 0.5, 1.0)]
    assert strengths[0] == 0.0
    assert strengths[2] == pytest.approx(2 * strengths[1], rel=1e-3)


def test_maps_have_the_dtypes_of_their_specs(card, rng):
    from texgen.maps import MAP_SPECS

    maps, _ = finish_maps(raw_maps(rng), 0.02, recipe_of(card), 128.0)
    for kind, pixels in maps.items():
        assert pixels.dtype == MAP_SPECS[kind].dtype
        assert pixels.shape == (64, 128, MAP_SPECS[kind].channels)


def test_the_real_size_changes_no_pixel(card, model):
    small, large = (make_latents(recipe_of(card, tile_size_m=m), model.tables, model.shape) for m in (0.5, 2.0))
    assert np.array_equal(small.start, large.start)
    assert replace(recipe_of(card), controls={}) == replace(recipe_of(card, tile_size_m=2.0), controls={})
