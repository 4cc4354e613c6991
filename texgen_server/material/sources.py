# SPDX-License-Identifier: Apache-2.0
"""Recipe -> sources: the codes, layouts and noise that make a material, and their shares in it.
Pure functions.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from texgen.errors import InvalidRequestError
from texgen.recipes.recipe import Captured, Lock, MixMode, Mixture, Recipe, Variation
from texgen_server.material.plan import (
    SHAPE_LEVELS,
    Array,
    Layout,
    MaterialTables,
    NetworkShape,
    Source,
)
from texgen_server.noise import uniforms

MAX_MEMBER_MIX = 0.5
"""Largest step of a sample from one training material towards another of its class."""
OTHER_LAYOUT_FROM = 0.5
"""Amount above which a variation takes the layout of the material it moves to."""


def choose_code(recipe: Recipe, tables: MaterialTables) -> tuple[Array, list[tuple[int, float]]]:
    """Return the code (1, code_dim) that a recipe's classes, seed and psi name, and the (row,
    share) of the layouts that it has.

    In each class the seed picks one training material and moves up to half of the way to another;
    psi pulls towards (or, above 1, away from) the class's mean.
    """
    code = np.zeros((1, tables.codes.shape[1]), np.float32)
    layouts = []
    for name, weight in recipe.classes:
        rows = tables.rows[name]
        random = uniforms(recipe.seed, _stream(name), 3)
        first = rows[int(random[0] * len(rows))]
        second = rows[int(random[1] * len(rows))]
        t = MAX_MEMBER_MIX * random[2] ** 2
        mean = tables.codes[list(rows)].mean(0)
        sample = tables.codes[first] * (1.0 - t) + tables.codes[second] * t
        code += (weight * (mean + recipe.psi * (sample - mean))).astype(np.float32)
        layouts.append((first, weight))
    return code, layouts


def seed_of_member(class_name: str, member: int, members: int, start: int) -> int:
    """Return the first seed from ``start`` on that picks this member of a class (see
    `choose_code`).
    """
    seed = start
    while int(uniforms(seed, _stream(class_name), 1)[0] * members) != member:
        seed = (seed + 1) % 2**64
    return seed


def _stream(name: str) -> int:
    """Return a stream number of its own for each class, so that adding a class to a mix does not
    change the others.
    """
    return int.from_bytes(name.encode()[:6].ljust(6, b"\0"), "little") % 65_521


def recipe_sources(
    recipe: Recipe, tables: MaterialTables, shape: NetworkShape
) -> tuple[Source, ...]:
    """Return the sources of a recipe, with the controls that act inside the network applied to all
    of them.
    """
    match recipe.origin:
        case None:
            # the average of a class is one picture, whatever the seed
            seeded = replace(recipe, seed=0) if recipe.psi == 0 else recipe
            sources: tuple[Source, ...] = (
                plain_source(seeded, *choose_code(seeded, tables), tables, shape),
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
    """Return the shift of the style by the latent controls: (style_dim,)."""
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
    """Make the source of a given code (1, code_dim) with the layouts of the given (row, share);
    seed and controls come from the recipe.
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
    """Combine the base's sources with the target's: shares by amount, level by level, as the locks
    allow.

    The target is what the variation's own seed makes of the base's classes; a capture varies in its
    noise alone.
    """
    base, amount, locks = variation.base, variation.amount, set(variation.locks)
    originals = recipe_sources(base, tables, shape)
    classes = base.main_classes()
    if classes:
        target = replace(base, seed=recipe.seed, psi=1.0, classes=classes, origin=None)
        other = plain_source(target, *choose_code(target, tables), tables, shape)
    else:
        other = replace(originals[0], seed=recipe.seed)
    style, noise, layout = _variation_shares(amount, locks, shape)
    moved = replace(
        other,
        style_share=style,
        noise_share=np.sin(noise * np.float32(math.pi / 2)),
        layout_share=layout,
        origin=originals[0].origin,
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
            for s in originals
        ),
        moved,
    )


def _variation_shares(
    amount: float, locks: set[Lock], shape: NetworkShape
) -> tuple[Array, Array, float]:
    """Return how far style (levels,), noise (levels + 1,) and layout move towards the target, each
    in [0, 1].
    """
    fixed_shape = bool(locks & {Lock.LAYOUT, Lock.RELIEF})
    style = np.full(shape.levels, amount, np.float32)
    if Lock.COLOUR in locks:
        style[SHAPE_LEVELS:] = 0.0
    if Lock.RELIEF in locks:
        style[:SHAPE_LEVELS] = 0.0
    noise = np.full(shape.levels + 1, amount, np.float32)
    if fixed_shape:
        noise[: SHAPE_LEVELS + 1] = 0.0
    return style, noise, float(amount > OTHER_LAYOUT_FROM and not fixed_shape)


def _mixed(mixture: Mixture, tables: MaterialTables, shape: NetworkShape) -> tuple[Source, ...]:
    groups = [recipe_sources(part, tables, shape) for part, _ in mixture.parts]
    weights = [weight for _, weight in mixture.parts]
    if mixture.mode is MixMode.BLEND:
        return tuple(s.scaled(w) for group, w in zip(groups, weights, strict=True) for s in group)
    if mixture.mode is MixMode.LOOK:
        return _look(groups, weights)
    return tuple(replace(s, part=i) for i, group in enumerate(groups) for s in group)


def _look(groups: list[tuple[Source, ...]], weights: list[float]) -> tuple[Source, ...]:
    """Take layout, noise and the levels that shape from the first group, the levels that colour
    from the others.
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
