# SPDX-License-Identifier: Apache-2.0
"""Sources: codes, shares, variations and mixes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.material.recipes import fields_of, recipe_of
from texgen.recipes.build import make_recipe, mix_recipe, vary_recipe
from texgen.recipes.recipe import Lock, MixMode
from texgen_server.material.plan import SHAPE_LEVELS
from texgen_server.material.sampling import make_plan
from texgen_server.material.sources import choose_code, seed_of_member
from texgen_server.registry import load_material


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


def test_psi_zero_without_noise_seed_is_one_style(model, card):
    codes = {choose(card, model, seed).tobytes() for seed in range(4)}
    assert len(codes) == 1


def choose(card, model, seed):
    recipe = make_recipe(card, [("brick", 1.0)], seed, (64, 64), 0.0)
    return np.round(make_plan(recipe, model.tables, model.shape).sources[0].code, 5)


def test_the_seed_of_a_member_draws_it(card):
    tables = load_material(card).tables
    rows = tables.rows["brick"]
    for member in range(len(rows)):
        seed = seed_of_member("brick", member, len(rows), 100)
        assert seed >= 100
        _, layouts = choose_code(make_recipe(card, [("brick", 1.0)], seed, (64, 64)), tables)
        assert layouts == [(rows[member], 1.0)]
