# SPDX-License-Identifier: Apache-2.0
"""Recipes and inputs of tiny materials."""

from __future__ import annotations

from texgen.recipes.build import make_recipe
from texgen_server.material.canvas import Window
from texgen_server.material.network_inputs import build_inputs


def recipe_of(card, size=(128, 64), seed=5, psi=1.0, classes=(("bark", 1.0),), **controls):
    return make_recipe(card, classes, seed, size, psi, controls)


def fields_of(plan, model, window=None):
    return build_inputs(plan, model.shape, window or Window(0, 0, *plan.canvas.period))
