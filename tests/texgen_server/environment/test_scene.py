# SPDX-License-Identifier: Apache-2.0
"""Scenes of recipes."""

from __future__ import annotations

import itertools

import numpy as np

from texgen.recipes.build import make_recipe
from texgen_server.environment.controls import apply_controls
from texgen_server.environment.scene import make_scene
from texgen_server.networks.channels import STOPS


def test_a_scene_of_one_seed_is_one_place_at_every_elevation(tables, environment_card):
    recipe = make_recipe(environment_card, [("outdoor_clear", 1.0)], 8, (256, 128))
    scenes = [
        apply_controls(
            make_scene(recipe, tables), {**recipe.controls, "sun_elevation_deg": e}, tables
        )
        for e in np.linspace(-5, 60, 14)
    ]
    assert all(s.row == scenes[0].row and np.array_equal(s.codes, scenes[0].codes) for s in scenes)
    steps = [
        np.abs(b.layout[:3] - a.layout[:3]).max() * STOPS for a, b in itertools.pairwise(scenes)
    ]
    assert max(steps) < 8.0  # stops between frames five degrees apart, twilight included
