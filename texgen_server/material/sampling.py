# SPDX-License-Identifier: Apache-2.0
"""Recipe -> plan: the canvas of a material and the sources on it. Pure functions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError
from texgen.recipes.recipe import Lock, MixMode, Mixture, Recipe, Variation
from texgen_server.material.canvas import Canvas, coarse_canvas, halo_cells
from texgen_server.material.plan import MaterialTables, NetworkShape, Plan, Transition
from texgen_server.material.sources import recipe_sources

MIN_RAMP_CELLS = 8
"""Shortest ramp from one material to the other in a transition; a shorter one shows as an edge."""


def tile_layout(recipe: Recipe) -> tuple[tuple[int, int], float]:
    """Return the whole tiles down and across, and the pixels per tile.

    The wanted density is lowered to the shorter edge (so that a small picture shows a whole tile),
    then rounded so that a whole number of tiles fits each edge.
    """
    wanted = min(recipe.controls["tile_px"], recipe.width_px, recipe.height_px)
    down, across = (max(1, round(edge / wanted)) for edge in (recipe.height_px, recipe.width_px))
    return (down, across), math.sqrt(recipe.height_px / down * recipe.width_px / across)


def make_plan(
    recipe: Recipe,
    tables: MaterialTables,
    shape: NetworkShape,
    *,
    endless: bool = False,
    mask: NDArray[np.uint8] | None = None,
) -> Plan:
    """Make the plan of a recipe on its torus, or on an endless field of the same density.

    ``mask`` (H, W) is the painted mask of a PAINT mixture at the recipe's size. Raises
    InvalidRequestError for an endless field with a mask.
    """
    if endless and recipe.has_mask():
        raise InvalidRequestError(
            "a painted mix or a transition has borders: an endless field can be made of its "
            "parts alone",
            "endless",
        )
    if endless:
        step = shape.cell_px / recipe.controls["tile_px"]
        canvas = Canvas(None, (step, step), recipe.controls["tile_px"])
    else:
        tiles, tile_px = tile_layout(recipe)
        canvas = Canvas(
            (recipe.height_px // shape.cell_px, recipe.width_px // shape.cell_px), tiles, tile_px
        )
    sources = recipe_sources(recipe, tables, shape)
    chosen: NDArray[np.uint8] | Transition | None = None
    if isinstance(recipe.origin, Mixture):
        chosen = (
            _transition(recipe.origin.steps, canvas, shape)
            if recipe.origin.mode is MixMode.TRANSITION
            else mask
        )
    return Plan(recipe, sources, canvas, chosen, _relief_plan(recipe, tables, shape, canvas))


def _transition(steps: int, canvas: Canvas, shape: NetworkShape) -> Transition:
    """Make a transition. Raises InvalidRequestError for one that is too short for its outer
    borders to equal those of the plain materials.
    """
    assert canvas.period is not None
    margin, across = _reach_cells(canvas, shape), steps * canvas.period[1]
    fewest = 2 * margin + MIN_RAMP_CELLS
    if across < fewest:
        raise InvalidRequestError(
            f"{steps} tiles of {canvas.period[1] * shape.cell_px} px are too short for a "
            f"transition: together they must be at least "
            f"{fewest * shape.cell_px} px wide; take more steps or a larger size",
            "steps",
        )
    return Transition(steps, margin / across)


def _reach_cells(canvas: Canvas, shape: NetworkShape) -> int:
    """Return the number of cells beyond a window that its pixels depend on, through the coarse
    pass too where there is one.
    """
    halo = halo_cells(shape.levels, shape.cell_px)
    coarse = coarse_canvas(canvas, shape.cell_px)
    if coarse is None:
        return halo
    ratio = coarse.step_tiles(1)[1] / canvas.step_tiles(1)[1]
    return halo + math.ceil((halo + 1) * ratio)


def _relief_plan(
    recipe: Recipe, tables: MaterialTables, shape: NetworkShape, canvas: Canvas
) -> Plan | None:
    """Plan the relief of a variation that locks it: that of its base. None for other recipes."""
    if not (isinstance(recipe.origin, Variation) and Lock.RELIEF in recipe.origin.locks):
        return None
    base = recipe.origin.base
    return Plan(
        recipe,
        recipe_sources(base, tables, shape),
        canvas,
        None,
        _relief_plan(base, tables, shape, canvas),
    )
