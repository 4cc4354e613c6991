# SPDX-License-Identifier: Apache-2.0
"""Plans of tiny materials."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from texgen.recipes.build import make_recipe, mix_recipe
from texgen.recipes.recipe import MixMode
from texgen_server.material.sampling import make_plan

DENSITIES = pytest.mark.parametrize("tile_px", [128.0, 576.0], ids=["one pass", "guided"])


def tile_recipe(card, name="brick", seed=3, size=(640, 576), **controls):
    return make_recipe(card, [(name, 1.0)], seed, size, 1.0, {"tile_px": 128.0} | controls)


def plan_of(recipe, model, **options):
    return make_plan(recipe, model.tables, model.shape, **options)


def painted_at(card, tile_px):
    rng = np.random.default_rng(0)
    mask = (np.kron(rng.random((18, 20)), np.ones((32, 32))) > 0.5).astype(np.uint8)
    parts = [
        (tile_recipe(card, tile_px=tile_px), 1),
        (tile_recipe(card, "rock", 7, tile_px=tile_px), 1),
    ]
    return mix_recipe(
        card, parts, MixMode.PAINT, mask_sha256=hashlib.sha256(mask.tobytes()).hexdigest()
    ), mask
