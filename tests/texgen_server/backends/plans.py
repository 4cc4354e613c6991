# SPDX-License-Identifier: Apache-2.0
"""Plans of tiny materials, run on a backend."""

from __future__ import annotations

from texgen.recipes.build import make_recipe
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis


def plan_of(model, card, size):
    return make_plan(make_recipe(card, [("brick", 1.0)], 3, size), model.tables, model.shape)


def run(backend, model, plan):
    return Synthesis(backend, model.shape).raw(plan)
