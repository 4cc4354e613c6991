# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

from tests.texgen.recipes.cards import captured, plain
from texgen.recipes.build import capture_recipe, mix_recipe, vary_recipe
from texgen.recipes.recipe import Detail, MixMode


def test_a_recipe_knows_the_size_before_upscaling(card):
    recipe = plain(card)
    large = replace(recipe, width_px=recipe.width_px * 4, height_px=recipe.height_px * 4)
    detailed = replace(large, detail=Detail(4, "ab" * 8))
    assert detailed.before_upscaling() == recipe
    assert recipe.before_upscaling() == recipe


def test_recipes_count_how_deep_they_lie_in_each_other(card):
    recipe = plain(card)
    varied = vary_recipe(card, recipe, 5, 0.5)
    mixed = mix_recipe(card, [(varied, 1.0), (recipe, 1.0)])
    assert [r.depth() for r in (recipe, varied, mixed)] == [1, 2, 3]


def test_painted_mixes_and_transitions_have_a_mask(card):
    parts = [(plain(card, seed=s), 1.0) for s in (1, 2)]
    painted = mix_recipe(card, parts, MixMode.PAINT, mask_sha256="ab" * 32)
    transition = mix_recipe(card, parts, MixMode.TRANSITION, steps=3)
    assert painted.has_mask()
    assert transition.has_mask()
    assert not mix_recipe(card, parts).has_mask()
    assert not parts[0][0].has_mask()


def test_the_main_classes_are_found_through_all_origins(card):
    bark, brick = plain(card, "bark"), plain(card, "brick")
    mixed = mix_recipe(card, [(bark, 3.0), (brick, 1.0)])
    assert dict(mixed.main_classes()) == {"bark": 0.75, "brick": 0.25}
    assert dict(vary_recipe(card, mixed, 5, 0.5).main_classes()) == dict(mixed.main_classes())
    assert capture_recipe(card, captured(card), 1, (64, 64)).main_classes() == ()
