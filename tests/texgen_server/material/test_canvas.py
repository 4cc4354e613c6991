# SPDX-License-Identifier: Apache-2.0
"""Places of pixels: the halo."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.material.plans import DENSITIES, plan_of, tile_recipe
from texgen_server.material.canvas import Window, halo_cells

pytestmark = pytest.mark.torch


@DENSITIES
def test_the_halo_is_the_receptive_field(model, synthesis, card, tile_px):
    """With one cell less, tiles differ; with it they do not: so it is neither too small nor
    wasteful.
    """
    plan = plan_of(tile_recipe(card, tile_px=tile_px), model)
    whole, _ = synthesis.raw(plan)
    cells = halo_cells(model.shape.levels, model.shape.cell_px)
    piece = Window(2, 3, 2, 2)
    expected = whole[:, 64:128, 96:160]
    assert np.abs(synthesis.part(plan, piece) - expected).max() < 1e-5
    assert np.abs(synthesis.part(plan, piece, cells) - expected).max() < 1e-5
    assert np.abs(synthesis.part(plan, piece, 1) - expected).max() > 1e-4
