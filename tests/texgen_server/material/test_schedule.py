# SPDX-License-Identifier: Apache-2.0
"""Schedules: what they count is what the network computes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.texgen_server.material.plans import DENSITIES, plan_of, tile_recipe
from texgen.recipes.build import vary_recipe
from texgen_server.material.canvas import Rectangle
from texgen_server.material.schedule import make_schedule

pytestmark = pytest.mark.torch


@DENSITIES
@pytest.mark.parametrize("rectangle", [None, Rectangle(-40, 10, 300, 200)])
@pytest.mark.parametrize("locked", [False, True])
def test_the_progress_counts_every_piece_once(model, synthesis, card, tile_px, rectangle, locked):
    recipe = tile_recipe(card, tile_px=tile_px)
    recipe = vary_recipe(card, recipe, 9, 0.5, ["relief"]) if locked else recipe
    plan, seen = plan_of(recipe, model), []
    schedule = make_schedule(plan, model.shape, rectangle, 6)
    replace(synthesis, max_edge_cells=6, on_progress=seen.append).maps(plan, rectangle)
    passes = [schedule.base, *([schedule.relief] if schedule.relief else [])]
    coarse = sum(len(p.coarse.pieces) for p in passes if p.coarse)
    assert schedule.piece_count == sum(len(p.pieces) for p in passes) + coarse
    assert (schedule.base.coarse is not None) == (tile_px > 320)
    assert (schedule.relief is not None) == locked
    assert seen == sorted(seen)
    done = coarse + len(schedule.base.pieces)  # the relief's pieces go with those of the result
    assert seen[-1] == pytest.approx(done / schedule.piece_count)


def test_pieces_cover_the_window(model, card):
    plan = plan_of(tile_recipe(card), model)
    base = make_schedule(plan, model.shape, None, 6).base
    covered = {
        (row, column)
        for p in base.pieces
        for row in range(p.top, p.top + p.rows)
        for column in range(p.left, p.left + p.columns)
    }
    assert len(covered) == base.window.rows * base.window.columns
    assert sum(p.rows * p.columns for p in base.pieces) == len(covered)
