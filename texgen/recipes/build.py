# SPDX-License-Identifier: Apache-2.0
"""Builds recipes: every field is checked against the model and quantised to the precision of a
recipe's text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import replace

from texgen.errors import InvalidRequestError
from texgen.maps import MAX_EDGE_PX
from texgen.modelcard import ModelCard
from texgen.recipes.recipe import (
    DEFAULT_SIZE_PX,
    MAX_DEPTH,
    MAX_PARTS,
    MAX_PSI,
    MAX_SEED,
    MAX_STEPS,
    Captured,
    Lock,
    MixMode,
    Mixture,
    Origin,
    Recipe,
    Variation,
)

MAX_WEIGHT = 1e9
"""Largest weight of a class or a part in a mix. Weights are normalised, but sums of larger ones
would overflow.
"""


def make_recipe(
    card: ModelCard,
    classes: Iterable[tuple[str, float]],
    seed: int,
    size_px: tuple[int, int] = (DEFAULT_SIZE_PX, DEFAULT_SIZE_PX),
    psi: float = 1.0,
    controls: Mapping[str, float] | None = None,
) -> Recipe:
    """Check every field against the model and quantise it. ``size_px`` is (width, height).

    Raises InvalidRequestError with the field's name; the message says what is allowed.
    """
    if not 0 <= seed <= MAX_SEED:
        raise InvalidRequestError(
            f"seed {seed}: allowed are whole numbers from 0 to {MAX_SEED}", "seed"
        )
    if not 0.0 <= psi <= MAX_PSI:
        raise InvalidRequestError(
            f"psi {psi}: allowed is 0 (the class's average) to {MAX_PSI}", "psi"
        )
    width, height = (
        _check_edge(card, edge, name)
        for edge, name in zip(size_px, ("width", "height"), strict=True)
    )
    return Recipe(
        model_digest=card.digest,
        width_px=width,
        height_px=height,
        seed=seed,
        psi=round(psi * 1000) / 1000,
        classes=_check_classes(card, list(classes)),
        controls=_check_controls(card, controls or {}),
    )


def _check_edge(card: ModelCard, edge_px: int, name: str, scale: int = 1) -> int:
    step, low, high = (
        n * scale for n in (card.size_multiple_px, card.min_edge_px, card.max_edge_px)
    )
    high = min(high, max(MAX_EDGE_PX, card.max_edge_px))
    if not low <= edge_px <= high:
        raise InvalidRequestError(
            f"{name} {edge_px} px: allowed is {low} to {high} px in steps of {step}", "size"
        )
    if edge_px % step:
        below = edge_px // step * step
        near = [str(n) for n in (below, below + step) if low <= n <= high]
        raise InvalidRequestError(
            f"{name} {edge_px} px is not a multiple of {step}: the nearest allowed are "
            f"{' and '.join(near)} px",
            "size",
        )
    return edge_px


def _check_classes(card: ModelCard, mix: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    known = card.class_names()
    if not mix:
        raise InvalidRequestError(f"no class given: there are {', '.join(known)}", "classes")
    weights: dict[str, float] = {}
    for name, weight in mix:
        if name not in known:
            raise InvalidRequestError(
                f"unknown class {name!r}: there are {', '.join(known)}", "classes"
            )
        if not 0.0 < weight <= MAX_WEIGHT:
            raise InvalidRequestError(
                f"weight {weight} of class {name}: give a number above 0, at most {MAX_WEIGHT:g}",
                "classes",
            )
        weights[name] = weights.get(name, 0.0) + weight
    parts = _thousandths(weights)
    return tuple((name, parts[name] / 1000) for name in sorted(parts, key=known.index))


def _thousandths(weights: Mapping[str, float]) -> dict[str, int]:
    """Convert weights to whole thousandths, each at least 1, that sum to 1000 (largest remainder
    method).
    """
    total = sum(weights.values())
    shares = {name: 1000 * w / total for name, w in weights.items()}
    parts = {name: max(1, int(share + 1e-6)) for name, share in shares.items()}
    missing = 1000 - sum(parts.values())
    by_error = sorted(shares, key=lambda name: parts[name] - shares[name])
    for i in range(max(0, missing)):
        parts[by_error[i % len(by_error)]] += 1
    parts[max(parts, key=lambda name: parts[name])] += min(0, missing)
    return parts


def _check_controls(card: ModelCard, given: Mapping[str, float]) -> dict[str, float]:
    specs = {c.name: c for c in card.controls}
    for name, value in given.items():
        if name not in specs:
            raise InvalidRequestError(
                f"unknown control {name!r}: there are {', '.join(specs) or 'none'}", "controls"
            )
        low, high = specs[name].minimum, specs[name].maximum
        if not low <= value <= high:
            raise InvalidRequestError(
                (
                    f"control {name}={value}: allowed is {low:g} to {high:g} {specs[name].unit}"
                ).rstrip(),
                "controls",
            )
    full = {name: float(given.get(name, spec.default)) for name, spec in specs.items()}
    return {name: to_float32(value) for name, value in full.items()}


def vary_recipe(
    card: ModelCard, base: Recipe, seed: int, amount: float, locks: Iterable[str] = ()
) -> Recipe:
    """Build a variation of ``base`` with its size and finishing controls.

    Raises InvalidRequestError.
    """
    if not 0.0 <= amount <= 1.0:
        raise InvalidRequestError(
            f"amount {amount}: allowed is 0 (the same) to 1 (as far as a new seed)", "amount"
        )
    if not 0 <= seed <= MAX_SEED:
        raise InvalidRequestError(
            f"seed {seed}: allowed are whole numbers from 0 to {MAX_SEED}", "seed"
        )
    if base.has_mask():
        raise InvalidRequestError(
            "a painted mix or a transition cannot be varied: vary its parts, then mix them",
            "recipe",
        )
    try:
        locked = tuple(lock for lock in Lock if lock in {Lock(name) for name in locks})
    except ValueError as error:
        raise InvalidRequestError(
            f"{error}: what can be locked is {', '.join(Lock)}", "locks"
        ) from error
    return _derived(
        card,
        replace(base, seed=seed, psi=1.0, classes=()),
        Variation(base.before_upscaling(), round(amount * 1000) / 1000, locked),
    )


def mix_recipe(
    card: ModelCard,
    parts: Iterable[tuple[Recipe, float]],
    mode: MixMode = MixMode.BLEND,
    *,
    size_px: tuple[int, int] | None = None,
    mask_sha256: str = "",
    steps: int = 0,
) -> Recipe:
    """Build a mixture of recipes of one model. Size and seed are the first part's, finishing
    controls the weighted mean.

    Raises InvalidRequestError.
    """
    given = list(parts)
    _check_parts(given, mode, mask_sha256, steps)
    first = given[0][0]
    shares = _thousandths({str(i): weight for i, (_, weight) in enumerate(given)})
    weighted = tuple(
        (recipe.before_upscaling(), shares[str(i)] / 1000) for i, (recipe, _) in enumerate(given)
    )
    means = {
        name: to_float32(sum(w * r.controls[name] for r, w in weighted)) for name in first.controls
    }
    width, height = size_px or (first.width_px, first.height_px)
    outer = replace(
        first, width_px=width, height_px=height, psi=1.0, classes=(), controls=means, detail=None
    )
    return _derived(card, outer, Mixture(weighted, mode, mask_sha256, steps))


def capture_recipe(
    card: ModelCard, captured: Captured, seed: int, size_px: tuple[int, int]
) -> Recipe:
    """Build the recipe of a capture with all controls at their defaults.

    Raises InvalidRequestError.
    """
    return with_origin(make_recipe(card, [(card.classes[0].name, 1.0)], seed, size_px), captured)


def with_origin(plain: Recipe, captured: Captured) -> Recipe:
    """Return a plain recipe with a capture instead of its classes."""
    return replace(plain, classes=(), psi=1.0, origin=captured)


def _check_parts(
    parts: list[tuple[Recipe, float]], mode: MixMode, mask_sha256: str, steps: int
) -> None:
    minimum, maximum = (2, 2) if mode is MixMode.TRANSITION else (2, MAX_PARTS)
    if not minimum <= len(parts) <= maximum:
        raise InvalidRequestError(
            f"{len(parts)} recipes: a {mode} takes {minimum}"
            + (f" to {maximum}" if maximum > minimum else ""),
            "parts",
        )
    if len({recipe.model_digest for recipe, _ in parts}) > 1:
        raise InvalidRequestError(
            "the recipes are of different models: only recipes of one model can be mixed", "parts"
        )
    if not all(0.0 < weight <= MAX_WEIGHT for _, weight in parts):
        raise InvalidRequestError(
            f"the weights must be numbers above 0, at most {MAX_WEIGHT:g}", "parts"
        )
    if any(recipe.has_mask() for recipe, _ in parts):
        raise InvalidRequestError(
            "a painted mix or a transition cannot be a part of another mix", "parts"
        )
    if (mode is MixMode.PAINT) != bool(mask_sha256):
        raise InvalidRequestError("a painted mix needs a mask, and no other mix takes one", "mask")
    if mode is MixMode.TRANSITION and not 1 <= steps <= MAX_STEPS:
        raise InvalidRequestError(f"{steps} steps: a transition takes 1 to {MAX_STEPS}", "steps")


def _derived(card: ModelCard, outer: Recipe, origin: Origin) -> Recipe:
    """Return ``outer`` with an origin. Its controls inside the network, except the tile size, are
    reset to their defaults, as the parts have their own.
    """
    inside = {
        c.name: to_float32(c.default)
        for c in card.controls
        if not c.post_process and c.name != "tile_px"
    }
    recipe = replace(outer, origin=origin, controls={**outer.controls, **inside})
    if recipe.depth() > MAX_DEPTH:
        raise InvalidRequestError(
            f"recipes lie {recipe.depth()} deep in each other: allowed are {MAX_DEPTH}; start "
            f"from a plain recipe",
            "recipe",
        )
    return recipe


def with_controls(recipe: Recipe, card: ModelCard, given: Mapping[str, float]) -> Recipe:
    """Return the recipe with some controls set. Raises InvalidRequestError."""
    checked = _check_controls(card, given)
    return replace(recipe, controls={**recipe.controls, **{name: checked[name] for name in given}})


def with_size(recipe: Recipe, card: ModelCard, size_px: tuple[int, int]) -> Recipe:
    """Return the recipe at another size (width, height). Raises InvalidRequestError."""
    scale = recipe.detail.scale if recipe.detail else 1
    width, height = (
        _check_edge(card, edge, name, scale)
        for edge, name in zip(size_px, ("width", "height"), strict=True)
    )
    return replace(recipe, width_px=width, height_px=height)


def to_float32(value: float) -> float:
    """Round a number to float32."""
    result: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return result
