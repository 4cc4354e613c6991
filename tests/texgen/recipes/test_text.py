# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.texgen.recipes.cards import NAMES, captured, derived_recipes
from texgen.errors import InvalidRequestError
from texgen.recipes.build import capture_recipe, make_recipe, mix_recipe
from texgen.recipes.recipe import MAX_SEED
from texgen.recipes.text import LONG_PREFIX, SHORT_PREFIX, read_recipe, write_recipe


@given(
    seed=st.integers(0, MAX_SEED),
    cells=st.tuples(st.integers(1, 128), st.integers(1, 128)),
    psi=st.floats(0, 1.5),
    mix=st.dictionaries(st.sampled_from(NAMES), st.floats(0.001, 100.0), min_size=1),
    relief=st.floats(0, 4),
    offset=st.floats(-0.5, 0.5),
)
def test_a_round_trip_through_the_text_is_the_same_recipe(
    card, seed, cells, psi, mix, relief, offset
):
    size = (cells[0] * 32, cells[1] * 32)
    recipe = make_recipe(
        card, mix.items(), seed, size, psi, {"relief_depth": relief, "roughness_offset": offset}
    )
    text = write_recipe(recipe, card)
    assert text.startswith(SHORT_PREFIX)
    assert len(base64.urlsafe_b64decode(text.removeprefix(SHORT_PREFIX) + "==")) <= 64
    assert read_recipe(text, card) == recipe
    assert write_recipe(read_recipe(text, card), card) == text
    assert math.isclose(sum(w for _, w in recipe.classes), 1.0)


def test_every_damaged_character_is_noticed(card):
    text = write_recipe(make_recipe(card, [("bark", 1)], 123456789, (512, 256)), card)
    noticed = 0
    for i in range(len(SHORT_PREFIX), len(text)):
        other = "A" if text[i] != "A" else "B"
        with pytest.raises(InvalidRequestError):
            read_recipe(text[:i] + other + text[i + 1 :], card)
        noticed += 1
    assert noticed > 20
    for cut in (text[:-3], text[:8], "tg1:", "tg1:****", "hello", ""):
        with pytest.raises(InvalidRequestError):
            read_recipe(cut, card)


def test_another_models_recipe_is_refused(card):
    text = write_recipe(make_recipe(card, [("bark", 1)], 1), card)
    other = replace(card, digest="0" * 64)
    with pytest.raises(InvalidRequestError, match="made by model"):
        read_recipe(text, other)


def test_size_can_be_overridden(card):
    text = write_recipe(make_recipe(card, [("bark", 1)], 1, (512, 512)), card)
    assert read_recipe(text, card, (1024, 512)).width_px == 1024


def test_derived_recipes_survive_their_text(card):
    for name, recipe in derived_recipes(card).items():
        text = write_recipe(recipe, card)
        assert text.startswith(LONG_PREFIX), name
        assert read_recipe(text, card) == recipe, name
        smaller = read_recipe(text, card, (64, 64))
        assert (smaller.width_px, smaller.origin) == (64, recipe.origin), name


def test_a_derived_recipe_that_would_not_fit_into_4096_bytes_is_refused(card):
    photo = capture_recipe(card, captured(card), 3, (128, 128))
    eight = mix_recipe(card, [(photo, 1.0)] * 8)
    assert len(write_recipe(eight, card)) * 3 // 4 < 4096
    with pytest.raises(InvalidRequestError, match="4096"):
        write_recipe(mix_recipe(card, [(eight, 1.0)] * 8), card)


def test_damage_to_a_derived_recipe_is_noticed(card):
    text = write_recipe(derived_recipes(card)["blend"], card)
    for i in range(len(LONG_PREFIX) + 12, len(text), 5):
        with pytest.raises(InvalidRequestError):
            read_recipe(text[:i] + ("A" if text[i] != "A" else "B") + text[i + 1 :], card)
