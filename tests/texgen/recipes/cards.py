# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from tests.classes import CLASSES
from texgen.recipes.build import capture_recipe, make_recipe, mix_recipe, vary_recipe
from texgen.recipes.recipe import Captured, MixMode

NAMES = sorted(CLASSES)


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
