# SPDX-License-Identifier: Apache-2.0
"""Recipe -> plan: which codes, layouts and noise make a material, and how they are put together.

Pure functions.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError
from texgen.recipes.recipe import Captured, Lock, MixMode, Mixture, Recipe, Variation
from texgen_server.material.canvas import Canvas, coarse_canvas, halo_cells
from texgen_server.material.plan import (
    SHAPE_LEVELS,
    Array,
    Layout,
    MaterialTables,
    NetworkShape,
    Plan,
    Source,
    Transition,
)
from texgen_server.noise import uniforms

MAX_MEMBER_MIX = 0.5
"""How far a sample may lie from one training material towards another of its class."""
OTHER_LAYOUT_FROM = 0.5
"""A variation by more than this takes the layout of the material it moves to."""
MIN_RAMP_CELLS = 8
"""Shortest way from one material to the other in a transition: less is an edge."""


def tile_layout(recipe: Recipe) -> tuple[tuple[int, int], float]:
    """Whole tiles down and across, and pixels per tile.

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
    """The plan of a recipe on its torus, or on an endless field of the same density.

    ``mask`` (H, W) is the painted mask of a PAINT mixture at the recipe's size. Raises
    InvalidRequestError for an endless field with a mask.
    """
    if endless and recipe.masked():
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
    sources = _sources(recipe, tables, shape)
    chosen: NDArray[np.uint8] | Transition | None = None
    if isinstance(recipe.origin, Mixture):
        chosen = (
            _transition(recipe.origin.steps, canvas, shape)
            if recipe.origin.mode is MixMode.TRANSITION
            else mask
        )
    return Plan(recipe, sources, canvas, chosen, _relief_plan(recipe, tables, shape, canvas))


def _transition(steps: int, canvas: Canvas, shape: NetworkShape) -> Transition:
    """Refuses one that is too short for its outer borders to be those of the plain materials."""
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
    """Cells beyond a window that its pixels depend on, through the coarse pass too where there is
    one.
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
    """A variation that locks the relief takes it from its base."""
    if not (isinstance(recipe.origin, Variation) and Lock.RELIEF in recipe.origin.locks):
        return None
    base = recipe.origin.base
    return Plan(
        recipe,
        _sources(base, tables, shape),
        canvas,
        None,
        _relief_plan(base, tables, shape, canvas),
    )


def choose_code(recipe: Recipe, tables: MaterialTables) -> tuple[Array, list[tuple[int, float]]]:
    """The code (1, code_dim) that a recipe's classes, seed and psi name, and the (row, share) whose
    layouts it has.

    In each class the seed picks one training material and moves up to half of the way to another;
    psi pulls towards (or, above 1, away from) the class's mean.
    """
    code = np.zeros((1, tables.codes.shape[1]), np.float32)
    layouts = []
    for name, weight in recipe.classes:
        rows = tables.rows[name]
        draw = uniforms(recipe.seed, _stream(name), 3)
        first = rows[int(draw[0] * len(rows))]
        second = rows[int(draw[1] * len(rows))]
        t = MAX_MEMBER_MIX * draw[2] ** 2
        mean = tables.codes[list(rows)].mean(0)
        sample = tables.codes[first] * (1.0 - t) + tables.codes[second] * t
        code += (weight * (mean + recipe.psi * (sample - mean))).astype(np.float32)
        layouts.append((first, weight))
    return code, layouts


def seed_of_member(class_name: str, member: int, members: int, start: int) -> int:
    """The first seed from ``start`` on that draws this member of a class (see `choose_code`)."""
    seed = start
    while int(uniforms(seed, _stream(class_name), 1)[0] * members) != member:
        seed = (seed + 1) % 2**64
    return seed


def _stream(name: str) -> int:
    """A stream number of its own for each class, so that adding a class to a mix does not redraw
    the others.
    """
    return int.from_bytes(name.encode()[:6].ljust(6, b"\0"), "little") % 65_521


def _sources(recipe: Recipe, tables: MaterialTables, shape: NetworkShape) -> tuple[Source, ...]:
    """The sources of a recipe, with the controls that act inside the network applied to all of
    them.
    """
    match recipe.origin:
        case None:
            drawn = (
                replace(recipe, seed=0) if recipe.psi == 0 else recipe
            )  # the average is one picture, whatever the seed
            sources: tuple[Source, ...] = (
                plain_source(drawn, *choose_code(drawn, tables), tables, shape),
            )
        case Captured():
            sources = (_captured_source(recipe, recipe.origin, tables, shape),)
        case Variation():
            sources = _varied(recipe, recipe.origin, tables, shape)
        case Mixture():
            sources = _mixed(recipe.origin, tables, shape)
    if recipe.origin is None:
        return sources
    shift, regularity = _shift(recipe, tables, shape), recipe.controls["regularity"]
    return tuple(
        replace(
            s,
            shift=s.shift + shift,
            layouts=tuple(replace(part, gain=part.gain * regularity) for part in s.layouts),
        )
        for s in sources
    )


def _shift(recipe: Recipe, tables: MaterialTables, shape: NetworkShape) -> Array:
    """What the latent controls add to the style."""
    shift = np.zeros(shape.style_dim, np.float32)
    for name, direction in tables.directions.items():
        shift += np.float32(recipe.controls[name]) * direction
    return shift


def plain_source(
    recipe: Recipe,
    code: Array,
    members: list[tuple[int, float]],
    tables: MaterialTables,
    shape: NetworkShape,
) -> Source:
    """The source of a given code (1, code_dim) with the layouts of the given (row, share); seed and
    controls by recipe.
    """
    regularity = recipe.controls["regularity"]
    return Source(
        code=code[0],
        shift=_shift(recipe, tables, shape),
        layouts=tuple(
            Layout(tables.waves[row], tables.amplitudes[row], share * regularity)
            for row, share in members
        ),
        origin=uniforms(recipe.seed, 1, 2),
        seed=recipe.seed,
        color=sum(
            (np.float32(share) * tables.colors[row] for row, share in members),
            np.zeros(3, np.float32),
        ),
        relief_tiles=0.0,
        gain=np.ones(3, np.float32),
        offset=np.zeros(3, np.float32),
        **_full_shares(shape),
    )


def _full_shares(shape: NetworkShape) -> dict[str, Any]:
    ones = np.ones(shape.levels, np.float32)
    return {
        "style_share": ones,
        "noise_share": np.ones(shape.levels + 1, np.float32),
        "layout_share": 1.0,
    }


def _captured_source(
    recipe: Recipe, captured: Captured, tables: MaterialTables, shape: NetworkShape
) -> Source:
    if (len(captured.code), len(captured.shift)) != (tables.codes.shape[1], shape.style_dim):
        raise InvalidRequestError(
            "the capture's numbers do not fit the model: capture the photograph again", "recipe"
        )
    layout = Layout(
        np.array(captured.waves, np.float32).reshape(-1, 2),
        np.array(captured.amplitudes, np.complex64).reshape(-1, tables.amplitudes.shape[2]),
        recipe.controls["regularity"],
    )
    return Source(
        code=np.array(captured.code, np.float32),
        shift=np.array(captured.shift, np.float32) + _shift(recipe, tables, shape),
        layouts=(layout,),
        origin=uniforms(recipe.seed, 1, 2),
        seed=recipe.seed,
        color=np.array(captured.color, np.float32),
        relief_tiles=captured.relief_tiles,
        gain=np.array(captured.gain, np.float32),
        offset=np.array(captured.offset, np.float32),
        **_full_shares(shape),
    )


def _varied(
    recipe: Recipe, variation: Variation, tables: MaterialTables, shape: NetworkShape
) -> tuple[Source, ...]:
    """The base's sources and the target's: shares by amount, level by level, as the locks allow.

    The target is what the variation's own seed makes of the base's classes; a capture varies in its
    noise alone.
    """
    base, amount, locks = variation.base, variation.amount, set(variation.locks)
    kept = _sources(base, tables, shape)
    classes = base.main_classes()
    if classes:
        target = replace(base, seed=recipe.seed, psi=1.0, classes=classes, origin=None)
        other = plain_source(target, *choose_code(target, tables), tables, shape)
    else:
        other = replace(kept[0], seed=recipe.seed)
    still = bool(locks & {Lock.LAYOUT, Lock.RELIEF})
    style = np.full(shape.levels, amount, np.float32)
    if Lock.COLOUR in locks:
        style[SHAPE_LEVELS:] = 0.0
    if Lock.RELIEF in locks:
        style[:SHAPE_LEVELS] = 0.0
    noise = np.full(shape.levels + 1, amount, np.float32)
    if still:
        noise[: SHAPE_LEVELS + 1] = 0.0
    layout = float(amount > OTHER_LAYOUT_FROM and not still)
    moved = replace(
        other,
        style_share=style,
        noise_share=np.sin(noise * np.float32(math.pi / 2)),
        layout_share=layout,
        origin=kept[0].origin,
    )
    rest = np.cos(noise * np.float32(math.pi / 2))
    return (
        *(
            replace(
                s,
                style_share=s.style_share * (1 - style),
                noise_share=s.noise_share * rest,
                layout_share=s.layout_share * (1 - layout),
            )
            for s in kept
        ),
        moved,
    )


def _mixed(mixture: Mixture, tables: MaterialTables, shape: NetworkShape) -> tuple[Source, ...]:
    groups = [_sources(part, tables, shape) for part, _ in mixture.parts]
    weights = [weight for _, weight in mixture.parts]
    if mixture.mode is MixMode.BLEND:
        return tuple(s.scaled(w) for group, w in zip(groups, weights, strict=True) for s in group)
    if mixture.mode is MixMode.LOOK:
        return _look(groups, weights)
    return tuple(replace(s, part=i) for i, group in enumerate(groups) for s in group)


def _look(groups: list[tuple[Source, ...]], weights: list[float]) -> tuple[Source, ...]:
    """Layout, noise and the levels that shape from the first group; the levels that colour from the
    others.
    """
    rest = sum(weights[1:])
    out = []
    for i, (group, weight) in enumerate(zip(groups, weights, strict=True)):
        for s in group:
            style = s.style_share.copy()
            if i == 0:
                style[SHAPE_LEVELS:] = 0.0
                out.append(replace(s, style_share=style))
            else:
                style[:SHAPE_LEVELS] = 0.0
                nothing = np.zeros_like(s.noise_share)
                out.append(
                    replace(
                        s,
                        style_share=style * np.float32(weight / rest),
                        noise_share=nothing,
                        layout_share=0.0,
                    )
                )
    return tuple(out)
