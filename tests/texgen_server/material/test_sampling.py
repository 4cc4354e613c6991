# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from texgen.recipes.build import make_recipe, mix_recipe, vary_recipe
from texgen.recipes.recipe import Lock, MixMode
from texgen_server.material.canvas import Window
from texgen_server.material.network_inputs import build_inputs
from texgen_server.material.plan import SHAPE_LEVELS
from texgen_server.material.sampling import make_plan, tile_layout
from texgen_server.material.sources import choose_code
from texgen_server.networks.waves import layout_field, sample_places
from texgen_server.noise import gaussian_field, uniforms
from texgen_server.registry import load_material


@pytest.fixture(scope="module")
def model(card):
    return load_material(card)


def recipe_of(card, size=(128, 64), seed=5, psi=1.0, classes=(("bark", 1.0),), **controls):
    return make_recipe(card, classes, seed, size, psi, controls)


def noise(seed, level, channels, rows, columns, top=0, left=0):
    return gaussian_field(
        seed, level, channels, np.arange(top, top + rows), np.arange(left, left + columns)
    )


def fields_of(plan, model, window=None):
    return build_inputs(plan, model.shape, window or Window(0, 0, *plan.canvas.period))


def test_noise_is_standard_and_independent_of_the_canvas():
    small, large = noise(9, 2, 3, 16, 24), noise(9, 2, 3, 32, 64)
    assert np.array_equal(large[:, :16, :24], small)
    assert np.array_equal(noise(9, 2, 3, 8, 8, -4, -4)[:, 4:, 4:], small[:, :4, :4])
    field = noise(1, 0, 1, 256, 256)[0]
    assert abs(field.mean()) < 0.02
    assert abs(field.std() - 1) < 0.02
    assert abs(np.corrcoef(field[:, :-1].ravel(), field[:, 1:].ravel())[0, 1]) < 0.02
    assert not np.array_equal(noise(9, 3, 3, 16, 24), small)
    assert not np.array_equal(noise(10, 2, 3, 16, 24), small)


GOLDEN_NOISE = [-1.323695, -0.885569, -0.176846]
GOLDEN_UNIFORMS = [0.48569092821941084, 0.2542261485367594]


def test_noise_is_the_same_for_ever():
    """Recipes name textures: this value must not change without a new format of recipes."""
    assert noise(2**64 - 1, 0, 1, 1, 3)[0, 0].tolist() == pytest.approx(GOLDEN_NOISE, abs=1e-6)
    assert uniforms(7, 1, 2).tolist() == pytest.approx(GOLDEN_UNIFORMS, abs=1e-12)


def layout_at(model, origin, tiles, samples):
    waves, amplitudes = model.tables.waves[:1], model.tables.amplitudes[:1]
    down, right = (sample_places(np.array([o]), tiles, samples) for o in origin)
    return layout_field(waves, amplitudes, down, right, (tiles / samples, tiles / samples))


def test_layout_is_periodic_and_moves_with_its_origin(model):
    here, whole, moved = (
        layout_at(model, o, 1, 64) for o in ((0.25, 0.5), (1.25, -0.5), (0.25, 0.75))
    )
    assert np.abs(here).max() > 0.1
    assert np.allclose(here, whole, atol=1e-4)
    assert np.allclose(np.roll(here, -16, 3), moved, atol=1e-4)
    twice = layout_at(model, (0.25, 0.5), 2, 128)
    assert np.allclose(twice[..., :64, :64], here, atol=1e-4)
    assert np.allclose(twice[..., 64:, 64:], here, atol=1e-4)


def test_whole_tiles_fit_every_size(card):
    assert tile_layout(recipe_of(card, (1024, 512), tile_px=512)) == ((1, 2), 512)
    assert tile_layout(recipe_of(card, (256, 256), tile_px=512)) == ((1, 1), 256)
    tiles, density = tile_layout(recipe_of(card, (768, 512), tile_px=512))
    assert tiles == (1, 2)
    assert 384 < density < 512


def test_fields_have_the_shapes_of_the_size(card, model):
    fields = fields_of(make_plan(recipe_of(card), model.tables, model.shape), model)
    assert fields.start.shape == (1, 4, 2, 4)
    assert [f.shape for f in fields.layouts] == [(1, 5, 2 * 2**i, 4 * 2**i) for i in range(5)]
    assert [f.shape for f in fields.noises] == [(1, 1, 2 * 2**i, 4 * 2**i) for i in range(5)]
    assert fields.shares == []


def test_truncation_and_mixes(card, model):
    at_zero = [choose_code(recipe_of(card, seed=s, psi=0.0), model.tables)[0] for s in range(5)]
    assert all(np.allclose(c, at_zero[0], atol=1e-6) for c in at_zero)
    spread = [
        np.stack([choose_code(recipe_of(card, seed=s, psi=p), model.tables)[0] for s in range(20)])
        .std(0)
        .mean()
        for p in (0.5, 1.0)
    ]
    assert spread[1] == pytest.approx(2 * spread[0], rel=1e-3)
    pure = choose_code(recipe_of(card), model.tables)[0]
    other = choose_code(recipe_of(card, classes=[("rock", 1.0)]), model.tables)[0]
    mixed = choose_code(recipe_of(card, classes=[("bark", 0.7), ("rock", 0.3)]), model.tables)[0]
    assert np.allclose(mixed, 0.7 * pure + 0.3 * other, atol=1e-5)


def test_regularity_scales_the_layout(card, model):
    plans = [
        make_plan(recipe_of(card, regularity=r), model.tables, model.shape) for r in (0.0, 0.5, 1.0)
    ]
    strengths = [fields_of(plan, model).layouts[3].std() for plan in plans]
    assert strengths[0] == 0.0
    assert strengths[2] == pytest.approx(2 * strengths[1], rel=1e-3)


def test_the_real_size_changes_no_input(card, model):
    small, large = (
        make_plan(recipe_of(card, tile_size_m=m), model.tables, model.shape) for m in (0.5, 2.0)
    )
    assert np.array_equal(fields_of(small, model).start, fields_of(large, model).start)
    assert small.canvas == large.canvas


def test_a_latent_control_moves_the_style_along_its_direction(card, model):
    for name, direction in model.tables.directions.items():
        plan = make_plan(recipe_of(card, **{name: 0.5}), model.tables, model.shape)
        assert np.allclose(plan.sources[0].shift, 0.5 * direction)


def mean_style_share(plan):
    return sum(s.style_share for s in plan.sources)


def every_plan(card, model):
    base, other = recipe_of(card), recipe_of(card, classes=[("rock", 1.0)], seed=8)
    varied = vary_recipe(card, base, 3, 0.4)
    recipes = [
        base,
        varied,
        vary_recipe(card, varied, 4, 1.0, ["colour"]),
        vary_recipe(card, base, 3, 0.7, ["layout", "relief"]),
    ]
    recipes += [
        mix_recipe(card, [(varied, 1.0), (other, 2.0)]),
        mix_recipe(card, [(base, 1.0), (other, 2.0)], MixMode.LOOK),
    ]
    return [make_plan(r, model.tables, model.shape) for r in recipes]


def test_style_shares_add_up_to_one(card, model):
    for plan in every_plan(card, model):
        assert np.allclose(mean_style_share(plan), 1.0, atol=1e-5)


def test_mixed_noise_keeps_its_variance(card, model):
    base, other = recipe_of(card, (1024, 1024)), recipe_of(card, (1024, 1024), seed=8)
    for recipe in (vary_recipe(card, base, 3, 0.4), mix_recipe(card, [(base, 1.0), (other, 2.0)])):
        assert fields_of(make_plan(recipe, model.tables, model.shape), model).noises[
            3
        ].std() == pytest.approx(1.0, abs=0.02)


def test_a_variation_by_nothing_is_its_base_and_by_all_another_seed(card, model):
    base = recipe_of(card)
    plans = [
        make_plan(r, model.tables, model.shape)
        for r in (base, vary_recipe(card, base, 3, 0.0), vary_recipe(card, base, 3, 1.0))
    ]
    noises = [fields_of(p, model).noises[4] for p in plans]
    assert np.allclose(noises[0], noises[1], atol=1e-6)
    assert np.allclose(
        noises[2],
        fields_of(make_plan(recipe_of(card, seed=3), model.tables, model.shape), model).noises[4],
        atol=1e-5,
    )


def test_locks_keep_what_they_name(card, model):
    base = recipe_of(card)
    kept = {
        lock: make_plan(vary_recipe(card, base, 3, 0.8, [lock]), model.tables, model.shape)
        for lock in Lock
    }
    assert not kept[Lock.COLOUR].sources[-1].style_share[SHAPE_LEVELS:].any()
    assert kept[Lock.COLOUR].sources[-1].style_share[:SHAPE_LEVELS].any()
    for lock in (Lock.LAYOUT, Lock.RELIEF):
        assert kept[lock].sources[-1].layout_share == 0.0
        assert not kept[lock].sources[-1].noise_share[: SHAPE_LEVELS + 1].any()
    assert kept[Lock.RELIEF].relief is not None


def test_a_look_takes_the_layout_of_the_first_and_the_colours_of_the_others(card, model):
    base, other = recipe_of(card), recipe_of(card, classes=[("rock", 1.0)], seed=8)
    plan = make_plan(
        mix_recipe(card, [(base, 1.0), (other, 1.0)], MixMode.LOOK), model.tables, model.shape
    )
    first, second = plan.sources
    assert (first.layout_share, second.layout_share) == (1.0, 0.0)
    assert first.style_share.tolist() == [1, 1, 1, 0, 0]
    assert second.style_share.tolist() == [0, 0, 0, 1, 1]
    assert np.array_equal(
        fields_of(plan, model).start,
        fields_of(make_plan(base, model.tables, model.shape), model).start,
    )
