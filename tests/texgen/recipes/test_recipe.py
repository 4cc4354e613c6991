# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.classes import CLASSES
from texgen.arguments import parse_class_mix, parse_controls, parse_size
from texgen.errors import InvalidRequestError
from texgen.recipes.build import capture_recipe, make_recipe, mix_recipe, vary_recipe
from texgen.recipes.recipe import MAX_SEED, Captured, Lock, MixMode
from texgen.recipes.text import LONG_PREFIX, SHORT_PREFIX, read_recipe, write_recipe

NAMES = sorted(CLASSES)


@pytest.mark.parametrize("weight", [0.0, -1.0, 1e308, float("inf"), float("nan")])
def test_weights_that_cannot_be_normalised_are_refused(card, weight):
    with pytest.raises(InvalidRequestError, match="weight"):
        make_recipe(card, [("bark", weight), ("brick", 1.0)], 1)
    one = make_recipe(card, [("bark", 1.0)], 1)
    with pytest.raises(InvalidRequestError, match="weights"):
        mix_recipe(card, [(one, weight), (one, 1.0)], MixMode.BLEND)


@given(
    seed=st.integers(0, MAX_SEED),
    cells=st.tuples(st.integers(1, 128), st.integers(1, 128)),
    psi=st.floats(0, 1.5),
    mix=st.dictionaries(st.sampled_from(NAMES), st.floats(0.001, 100.0), min_size=1),
    relief=st.floats(0, 4),
    offset=st.floats(-0.5, 0.5),
)
def test_text_and_back_is_the_same_recipe(card, seed, cells, psi, mix, relief, offset):
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


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"classes": [("wool", 1)]}, "classes", "bark, brick, rock, ice"),
        ({"classes": []}, "classes", "no class"),
        ({"classes": [("bark", 0)]}, "classes", "above 0"),
        ({"classes": [("bark", math.nan)]}, "classes", "above 0"),
        ({"size_px": (0, 512)}, "size", "32 to 8192"),
        ({"size_px": (33, 512)}, "size", "32 and 64"),
        ({"size_px": (512, 100000)}, "size", "32 to 8192"),
        ({"psi": math.nan}, "psi", "0"),
        ({"psi": 2.0}, "psi", "1.5"),
        ({"seed": -1}, "seed", "whole numbers"),
        ({"controls": {"relief_depth": math.nan}}, "controls", "0 to 4"),
        ({"controls": {"relief_depth": 9.0}}, "controls", "0 to 4"),
        ({"controls": {"depth": 1.0}}, "controls", "relief_depth"),
    ],
)
def test_bad_fields_say_what_is_allowed(card, fields, field, words):
    arguments = {"classes": [("bark", 1.0)], "seed": 1} | fields
    with pytest.raises(InvalidRequestError, match=words) as caught:
        make_recipe(card, **arguments)
    assert caught.value.field == field


def test_command_line_forms():
    assert parse_size("1024x512") == (1024, 512)
    assert parse_size("64") == (64, 64)
    assert parse_class_mix("brick=0.7, rock=0.3") == [("brick", 0.7), ("rock", 0.3)]
    assert parse_controls(["a=1.5"]) == {"a": 1.5}
    for bad in (
        lambda: parse_size("1x2x3"),
        lambda: parse_size("-4"),
        lambda: parse_class_mix("a=b"),
        lambda: parse_controls(["a"]),
    ):
        with pytest.raises(InvalidRequestError):
            bad()


def plain(card, name="bark", seed=1, **controls):
    return make_recipe(card, [(name, 1.0)], seed, (256, 128), 1.0, controls)


def captured(card):
    half = (0.5, 0.25, -1.0)
    waves = ((0, 3), (5, -2))
    return Captured(
        code=(0.25,) * card.network["code_dim"],
        shift=(0.5,) * card.network["style_dim"],
        waves=waves,
        amplitudes=tuple((0.25 + 0.5j,) * 5 for _ in waves),
        gain=half,
        offset=half,
        color=(0.5, 0.25, 0.75),
        relief_tiles=0.0625,
    )


def derived_recipes(card):
    base = plain(card, relief_depth=1.5, moss=0.5)
    varied = vary_recipe(card, base, 9, 0.25, ["relief", "layout"])
    return {
        "varied": varied,
        "varied twice": vary_recipe(card, varied, 11, 1.0),
        "blend": mix_recipe(card, [(base, 1.0), (varied, 3.0), (plain(card, "rock"), 1.0)]),
        "look": mix_recipe(card, [(base, 1.0), (plain(card, "rock"), 1.0)], MixMode.LOOK),
        "painted": mix_recipe(
            card, [(base, 1), (plain(card, "rock"), 1)], MixMode.PAINT, mask_sha256="ab" * 32
        ),
        "transition": mix_recipe(
            card, [(base, 1), (plain(card, "rock"), 1)], MixMode.TRANSITION, steps=4
        ),
        "captured": capture_recipe(card, captured(card), 3, (128, 128)),
        "varied capture": vary_recipe(
            card, capture_recipe(card, captured(card), 3, (128, 128)), 4, 0.5
        ),
    }


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


def test_controls_inside_the_network_stay_with_the_parts(card):
    base = plain(card, relief_depth=1.5, moss=0.5)
    varied = vary_recipe(card, base, 9, 0.25)
    assert (varied.controls["relief_depth"], varied.controls["moss"]) == (1.5, 0.0)
    assert varied.origin.base.controls["moss"] == 0.5
    assert varied.origin.locks == ()
    assert vary_recipe(card, base, 9, 0.25, ["colour"]).origin.locks == (Lock.COLOUR,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda c, a, b: vary_recipe(c, a, 1, 1.5), "amount 1.5"),
        (lambda c, a, b: vary_recipe(c, a, 1, float("nan")), "amount nan"),
        (lambda c, a, b: vary_recipe(c, a, 1, 0.5, ["smell"]), "layout, colour, relief"),
        (lambda c, a, b: mix_recipe(c, [(a, 1.0)]), "takes 2 to 8"),
        (lambda c, a, b: mix_recipe(c, [(a, 1.0), (b, -1.0)]), "above 0"),
        (
            lambda c, a, b: mix_recipe(c, [(a, 1.0), (replace(b, model_digest="00" * 32), 1.0)]),
            "different models",
        ),
        (lambda c, a, b: mix_recipe(c, [(a, 1.0), (b, 1.0)], MixMode.PAINT), "needs a mask"),
        (
            lambda c, a, b: mix_recipe(c, [(a, 1.0), (b, 1.0)], MixMode.TRANSITION, steps=99),
            "1 to 16",
        ),
        (
            lambda c, a, b: vary_recipe(
                c, mix_recipe(c, [(a, 1), (b, 1)], MixMode.TRANSITION, steps=2), 1, 0.5
            ),
            "cannot be varied",
        ),
        (
            lambda c, a, b: vary_recipe(
                c, vary_recipe(c, vary_recipe(c, a, 1, 1.0), 1, 1.0), 1, 1.0
            ),
            "4 deep",
        ),
    ],
)
def test_bad_derivations_say_what_is_allowed(card, make, message):
    with pytest.raises(InvalidRequestError, match=message):
        make(card, plain(card), plain(card, "rock"))
