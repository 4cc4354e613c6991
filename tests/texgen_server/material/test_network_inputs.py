# SPDX-License-Identifier: Apache-2.0
"""Inputs of the network."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.material.recipes import fields_of, recipe_of
from texgen.recipes.build import mix_recipe, vary_recipe
from texgen_server.material.sampling import make_plan


def test_fields_have_the_shapes_of_the_size(card, model):
    fields = fields_of(make_plan(recipe_of(card), model.tables, model.shape), model)
    assert fields.start.shape == (1, 4, 2, 4)
    assert [f.shape for f in fields.layouts] == [(1, 5, 2 * 2**i, 4 * 2**i) for i in range(5)]
    assert [f.shape for f in fields.noises] == [(1, 1, 2 * 2**i, 4 * 2**i) for i in range(5)]
    assert fields.shares == []


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


def test_mixed_noise_keeps_its_variance(card, model):
    base, other = recipe_of(card, (1024, 1024)), recipe_of(card, (1024, 1024), seed=8)
    for recipe in (vary_recipe(card, base, 3, 0.4), mix_recipe(card, [(base, 1.0), (other, 2.0)])):
        assert fields_of(make_plan(recipe, model.tables, model.shape), model).noises[
            3
        ].std() == pytest.approx(1.0, abs=0.02)
