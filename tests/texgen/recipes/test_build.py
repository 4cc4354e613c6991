# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.texgen.recipes.cards import plain
from texgen.errors import InvalidRequestError
from texgen.recipes.build import make_recipe, mix_recipe, vary_recipe
from texgen.recipes.recipe import Lock, MixMode


@pytest.mark.parametrize("weight", [0.0, -1.0, 1e308, float("inf"), float("nan")])
def test_weights_that_cannot_be_normalised_are_refused(card, weight):
    with pytest.raises(InvalidRequestError, match="weight"):
        make_recipe(card, [("bark", weight), ("brick", 1.0)], 1)
    one = make_recipe(card, [("bark", 1.0)], 1)
    with pytest.raises(InvalidRequestError, match="weights"):
        mix_recipe(card, [(one, weight), (one, 1.0)], MixMode.BLEND)


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
