# SPDX-License-Identifier: Apache-2.0
""""""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.material.plans import DENSITIES, painted_at, plan_of, tile_recipe
from texgen.maps import MapKind
from texgen.recipes.build import mix_recipe, vary_recipe
from texgen.recipes.recipe import MixMode
from texgen_server.material.canvas import Rectangle
from texgen_server.material.schedule import make_schedule

pytestmark = pytest.mark.torch


def assert_equal_maps(ours, theirs, lsb=1):
    for kind in theirs:
        difference = np.abs(ours[kind].astype(int) - theirs[kind].astype(int))
        assert difference.max() <= (lsb if kind is not MapKind.NORMAL else 2), kind
        assert (difference > 0).mean() < 0.01, kind


def in_tiles(synthesis, edge_cells, plan, count):
    """The same synthesis in tiles of so many cells: in so many of them, halos not counted."""
    from dataclasses import replace

    tiled = replace(synthesis, max_edge_cells=edge_cells)
    assert len(make_schedule(plan, tiled.shape, None, edge_cells).base.pieces) == count
    return tiled


@pytest.mark.parametrize(("edge", "size", "count"), [(8, (704, 736), 9), (12, (640, 1088), 6)])
@DENSITIES
def test_halo_tiles_equal_the_whole(model, synthesis, card, edge, size, count, tile_px):
    plan = plan_of(tile_recipe(card, size=size, tile_px=tile_px), model)
    whole, relief = synthesis.maps(plan)
    tiled, relief_tiled = in_tiles(synthesis, edge, plan, count).maps(plan)
    assert relief == relief_tiled
    assert_equal_maps(tiled, whole)


@DENSITIES
def test_painted_tiles_equal_the_painted_whole(model, synthesis, card, tile_px):
    recipe, mask = painted_at(card, tile_px)
    plan = plan_of(recipe, model, mask=mask)
    assert_equal_maps(in_tiles(synthesis, 4, plan, 25).maps(plan)[0], synthesis.maps(plan)[0])


def test_a_mask_gives_each_side_its_material(model, synthesis, card, painted):
    """Far from the border a painted mix is its part."""
    recipe, _ = painted
    mask = np.zeros((576, 640), np.uint8)
    for value, part in enumerate(recipe.origin.parts):
        mask[:] = value
        whole = synthesis.maps(plan_of(recipe, model, mask=mask))[0]
        alone = synthesis.maps(plan_of(part[0], model))[0]
        assert_equal_maps(
            {MapKind.BASECOLOR: whole[MapKind.BASECOLOR]},
            {MapKind.BASECOLOR: alone[MapKind.BASECOLOR]},
        )


@pytest.mark.parametrize(("x", "y"), [(0, 0), (37, 101), (-70, 600)])
@DENSITIES
def test_a_window_is_that_part_of_the_torus(model, synthesis, card, x, y, tile_px):
    plan = plan_of(tile_recipe(card, tile_px=tile_px), model)
    whole, _ = synthesis.maps(plan)
    window, _ = synthesis.maps(plan, Rectangle(x, y, 90, 33))
    rows, columns = (y + np.arange(33)) % 576, (x + np.arange(90)) % 640
    assert_equal_maps(window, {k: v[rows[:, None], columns[None]] for k, v in whole.items()})


@DENSITIES
def test_an_endless_field_does_not_repeat_and_its_windows_meet(model, synthesis, card, tile_px):
    plan = plan_of(
        tile_recipe(card, size=(int(tile_px),) * 2, tile_px=tile_px), model, endless=True
    )
    left, _ = synthesis.maps(plan, Rectangle(1000, -50, 128, 64))
    both, _ = synthesis.maps(plan, Rectangle(1000, -50, 256, 64))
    assert_equal_maps(left, {k: v[:, :128] for k, v in both.items()})
    far = both[MapKind.HEIGHT][:, 128:].astype(int)
    assert np.abs(far - left[MapKind.HEIGHT].astype(int)).mean() > 100


@pytest.mark.parametrize(
    ("edge", "tile_px", "steps"), [(256, 128.0, 3), (352, 352.0, 4)], ids=["one pass", "guided"]
)
def test_a_transition_joins_both_materials(model, synthesis, card, edge, tile_px, steps):
    """A tile of the first, the steps, a tile of the second: every border is the one it would have
    in one picture. 64 rows of them tell.
    """
    first, second = (
        tile_recipe(card, name, seed, (edge, edge), tile_px=tile_px)
        for name, seed in (("brick", 3), ("rock", 7))
    )
    plan = plan_of(
        mix_recipe(card, [(first, 1), (second, 1)], MixMode.TRANSITION, steps=steps), model
    )
    across, _ = synthesis.maps(plan, Rectangle(edge - 32, 0, 64, 64))
    before, beginning, ending, behind = (
        synthesis.maps(plan, Rectangle(i * edge, 0, edge + 1, 64))[0]
        for i in (-1, 0, steps - 1, steps)
    )
    for a, b in ((before, beginning), (ending, behind)):
        assert_equal_maps(
            {k: v[:, edge:] for k, v in a.items()}, {k: v[:, :1] for k, v in b.items()}
        )
    assert_equal_maps(
        {k: v[:, edge - 32 :] for k, v in beginning.items()},
        {k: v[:, :33] for k, v in across.items()},
    )
    for recipe, end in ((first, before), (second, behind)):
        alone, _ = synthesis.maps(plan_of(recipe, model))
        assert_equal_maps(
            {MapKind.BASECOLOR: end[MapKind.BASECOLOR][:, :edge]},
            {MapKind.BASECOLOR: alone[MapKind.BASECOLOR][:64]},
        )


def test_a_locked_relief_is_the_bases(model, synthesis, card):
    base = tile_recipe(card, size=(128, 128))
    ours, relief = synthesis.maps(plan_of(vary_recipe(card, base, 9, 1.0, ["relief"]), model))
    theirs, base_relief = synthesis.maps(plan_of(base, model))
    assert relief == base_relief
    for kind in (MapKind.HEIGHT, MapKind.NORMAL, MapKind.AO):
        assert np.array_equal(ours[kind], theirs[kind])
    assert not np.array_equal(ours[MapKind.BASECOLOR], theirs[MapKind.BASECOLOR])


def test_cancelling_stops_between_tiles(model, synthesis, card):
    from dataclasses import replace

    calls = []

    def check():
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(synthesis, max_edge_cells=4, check=check).maps(plan_of(tile_recipe(card), model))
    assert len(calls) == 4
