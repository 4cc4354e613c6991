# SPDX-License-Identifier: Apache-2.0
"""Recipes whose picture the upscaler enlarges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from texgen import find_card
from texgen.errors import InvalidRequestError
from texgen.recipes.build import make_recipe, mix_recipe, vary_recipe, with_size
from texgen.recipes.detail import check_upscaler, with_detail
from texgen.recipes.recipe import Detail
from texgen.recipes.text import SHORT_PREFIX, read_recipe, write_recipe


@pytest.fixture(scope="module")
def upscaler(models):
    return find_card("upscaler", models)


@pytest.fixture
def recipe(card):
    return make_recipe(card, [("bark", 1)], 5, (1024, 1024), controls={"relief_depth": 1.5})


@pytest.mark.parametrize(
    ("size", "scale"),
    [
        ((4096, 4096), 4),
        ((2048, 4096), 4),
        ((1024, 1024), 2),
        ((1088, 2048), 2),
        ((16384, 16384), 4),
    ],
)
def test_the_scale_follows_from_the_size_and_the_text_says_it(card, upscaler, recipe, size, scale):
    detailed = with_detail(recipe, card, upscaler, size)
    assert detailed.detail == Detail(scale, upscaler.digest[:16])
    assert (detailed.width_px, detailed.height_px) == size
    assert (detailed.before_upscaling().width_px * scale, detailed.before_upscaling().detail) == (
        size[0],
        None,
    )
    text = write_recipe(detailed, card)
    assert text.startswith(SHORT_PREFIX)
    assert read_recipe(text, card) == detailed
    assert read_recipe(text, card, (512, 512)).width_px == 512


def test_derived_recipes_keep_it_outside_only(card, upscaler, recipe):
    detailed = with_detail(recipe, card, upscaler, (4096, 4096))
    varied = vary_recipe(card, detailed, 9, 0.5)
    assert varied.detail == detailed.detail
    assert varied.origin.base == detailed.before_upscaling()
    assert read_recipe(write_recipe(varied, card), card) == varied
    mixed = mix_recipe(card, [(detailed, 1.0), (recipe, 1.0)], size_px=(1024, 1024))
    assert mixed.detail is None
    assert mixed.origin.parts[0][0] == detailed.before_upscaling()
    assert read_recipe(write_recipe(mixed, card), card) == mixed


@pytest.mark.parametrize("size", [(96, 96), (1024, 1056), (32768, 32768)])
def test_sizes_that_no_scale_fits_are_refused(card, upscaler, recipe, size):
    with pytest.raises(InvalidRequestError):
        with_detail(recipe, card, upscaler, size)


def test_a_detailed_recipe_takes_only_sizes_of_its_scale(card, upscaler, recipe):
    with pytest.raises(InvalidRequestError, match="multiple of 128"):
        with_size(with_detail(recipe, card, upscaler, (4096, 4096)), card, (2080, 2048))


def test_another_upscaler_is_not_taken_for_the_recipes(upscaler):
    check_upscaler(Detail(2, upscaler.digest[:16]), upscaler)
    with pytest.raises(InvalidRequestError, match="use that model's version"):
        check_upscaler(Detail(2, "0" * 16), upscaler)


def test_the_drawn_recipe_of_a_plain_one_is_itself(recipe):
    assert recipe.before_upscaling() == recipe == replace(recipe)
