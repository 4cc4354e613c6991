# SPDX-License-Identifier: Apache-2.0
"""Recipes: what names a result. Model digest + classes + seed + truncation + controls + size, or what it was derived from.

A recipe is checked and quantised when it is made, exactly as far as its text (`texgen.recipe_text`) can say it, so the text and the value
name the same pixels.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from texgen.errors import InvalidRequestError
from texgen.maps import MAX_EDGE_PX
from texgen.modelcard import ModelCard

MAX_SEED = 2**64 - 1
MAX_PSI = 1.5
MAX_PARTS = 8
MAX_STEPS = 16
MAX_DEPTH = 3
"""How deep recipes may lie in recipes: a variation of a mix of variations."""
DEFAULT_SIZE_PX = 1024
DETAIL_SCALES = (2, 4, 8)
"""8 is twice enlarged: for environments."""
DETAIL_DIGEST_HEX = 16


class Lock(StrEnum):
    """What a variation keeps."""

    LAYOUT = "layout"
    COLOUR = "colour"
    RELIEF = "relief"


class MixMode(StrEnum):
    """How a mixture puts its parts together."""

    BLEND = "blend"  # everything by weight
    LOOK = "look"  # layout and noise of the first part, style of the others
    PAINT = "paint"  # a mask chooses the part for each pixel
    TRANSITION = "transition"  # from the first part on the left to the second on the right, over some tiles


@dataclass(frozen=True)
class Variation:
    """Another member near ``base``; the recipe's own seed says which."""

    base: Recipe
    amount: float
    """0 is the base itself, 1 as far as a new seed."""
    locks: tuple[Lock, ...] = ()


@dataclass(frozen=True)
class Mixture:
    """Several recipes in one."""

    parts: tuple[tuple[Recipe, float], ...]
    """(recipe, weight) with weights that sum to 1."""
    mode: MixMode
    mask_sha256: str = ""
    """PAINT: lower-case hex of the mask file's digest."""
    steps: int = 0
    """TRANSITION: number of tiles."""


@dataclass(frozen=True)
class Captured:
    """What was measured in a photograph. All arrays flat, quantised to half floats."""

    code: tuple[float, ...]
    """Near which material: a code of the model."""
    shift: tuple[float, ...]
    """What the style has beyond that code's."""
    waves: tuple[tuple[int, int], ...]
    amplitudes: tuple[tuple[complex, ...], ...]
    """One entry a wave, five channels each."""
    gain: tuple[float, float, float]
    offset: tuple[float, float, float]
    """Basecolor (sRGB values in 0..1) is multiplied and shifted by these."""
    color: tuple[float, float, float]
    """Mean basecolor of the photograph, sRGB in 0..1."""
    relief_tiles: float
    """Height range, black to white, as a fraction of the tile's edge."""


Origin = Variation | Mixture | Captured


@dataclass(frozen=True)
class Detail:
    """The picture is drawn ``scale`` times smaller, and enlarged by the upscaler."""

    scale: int
    upscaler: str
    """First digits of that model's digest."""


@dataclass(frozen=True)
class Recipe:
    """A checked request for one material. Build it with the functions below; the numbers are quantised as in the text."""

    model_digest: str
    width_px: int
    height_px: int
    seed: int
    psi: float
    classes: tuple[tuple[str, float], ...]
    """(name, weight) with weights that sum to 1; empty when there is an origin."""
    controls: Mapping[str, float] = field(default_factory=dict)
    """Every control of the model, defaults included."""
    origin: Origin | None = None
    detail: Detail | None = None
    """None: the generator draws at full size."""

    def drawn(self) -> Recipe:
        """What the generator draws: this recipe itself, or its smaller picture. ``tile_px`` counts px of that one."""
        scale = self.detail.scale if self.detail else 1
        return replace(self, width_px=self.width_px // scale, height_px=self.height_px // scale, detail=None)

    def depth(self) -> int:
        """How many recipes lie in each other here; 1 for a plain one."""
        match self.origin:
            case Variation(base=base):
                return 1 + base.depth()
            case Mixture(parts=parts):
                return 1 + max(part.depth() for part, _ in parts)
        return 1

    def masked(self) -> bool:
        """Whether a mask or a transition is in it."""
        match self.origin:
            case Variation(base=base):
                return base.masked()
            case Mixture(parts=parts, mode=mode):
                return mode in (MixMode.PAINT, MixMode.TRANSITION) or any(part.masked() for part, _ in parts)
        return False

    def main_classes(self) -> tuple[tuple[str, float], ...]:
        """The classes in it with their weights, through all origins; empty for a capture."""
        match self.origin:
            case Variation(base=base):
                return base.main_classes()
            case Mixture(parts=parts):
                totals: dict[str, float] = {}
                for part, weight in parts:
                    for name, share in part.main_classes():
                        totals[name] = totals.get(name, 0.0) + weight * share
                return tuple(totals.items())
        return self.classes


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
        raise InvalidRequestError(f"seed {seed}: allowed are whole numbers from 0 to {MAX_SEED}", "seed")
    if not 0.0 <= psi <= MAX_PSI:
        raise InvalidRequestError(f"psi {psi}: allowed is 0 (the class's average) to {MAX_PSI}", "psi")
    width, height = (_check_edge(card, edge, name) for edge, name in zip(size_px, ("width", "height"), strict=True))
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
    step, low, high = (n * scale for n in (card.size_multiple_px, card.min_edge_px, card.max_edge_px))
    high = min(high, max(MAX_EDGE_PX, card.max_edge_px))
    if not low <= edge_px <= high:
        raise InvalidRequestError(f"{name} {edge_px} px: allowed is {low} to {high} px in steps of {step}", "size")
    if edge_px % step:
        below = edge_px // step * step
        near = [str(n) for n in (below, below + step) if low <= n <= high]
        raise InvalidRequestError(
            f"{name} {edge_px} px is not a multiple of {step}: the nearest allowed are {' and '.join(near)} px", "size"
        )
    return edge_px


def _check_classes(card: ModelCard, mix: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    known = card.class_names()
    if not mix:
        raise InvalidRequestError(f"no class given: there are {', '.join(known)}", "classes")
    weights: dict[str, float] = {}
    for name, weight in mix:
        if name not in known:
            raise InvalidRequestError(f"unknown class {name!r}: there are {', '.join(known)}", "classes")
        if not (math.isfinite(weight) and weight > 0):
            raise InvalidRequestError(f"weight {weight} of class {name}: give a number above 0", "classes")
        weights[name] = weights.get(name, 0.0) + weight
    parts = _thousandths(weights)
    return tuple((name, parts[name] / 1000) for name in sorted(parts, key=known.index))


def _thousandths(weights: Mapping[str, float]) -> dict[str, int]:
    """Whole thousandths, each at least 1, that sum to 1000 and stay nearest to the weights' shares (largest remainder)."""
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
            raise InvalidRequestError(f"unknown control {name!r}: there are {', '.join(specs) or 'none'}", "controls")
        low, high = specs[name].minimum, specs[name].maximum
        if not low <= value <= high:
            raise InvalidRequestError(f"control {name}={value}: allowed is {low:g} to {high:g} {specs[name].unit}".rstrip(), "controls")
    full = {name: float(given.get(name, spec.default)) for name, spec in specs.items()}
    return {name: _float32(value) for name, value in full.items()}


def vary_recipe(card: ModelCard, base: Recipe, seed: int, amount: float, locks: Iterable[str] = ()) -> Recipe:
    """A variation of ``base``: same size and finishing controls. Raises InvalidRequestError."""
    if not 0.0 <= amount <= 1.0:
        raise InvalidRequestError(f"amount {amount}: allowed is 0 (the same) to 1 (as far as a new seed)", "amount")
    if not 0 <= seed <= MAX_SEED:
        raise InvalidRequestError(f"seed {seed}: allowed are whole numbers from 0 to {MAX_SEED}", "seed")
    if base.masked():
        raise InvalidRequestError("a painted mix or a transition cannot be varied: vary its parts, then mix them", "recipe")
    try:
        kept = tuple(lock for lock in Lock if lock in {Lock(name) for name in locks})
    except ValueError as error:
        raise InvalidRequestError(f"{error}: what can be locked is {', '.join(Lock)}", "locks") from error
    return _derived(card, replace(base, seed=seed, psi=1.0, classes=()), Variation(base.drawn(), round(amount * 1000) / 1000, kept))


def mix_recipe(
    card: ModelCard,
    parts: Iterable[tuple[Recipe, float]],
    mode: MixMode = MixMode.BLEND,
    *,
    size_px: tuple[int, int] | None = None,
    mask_sha256: str = "",
    steps: int = 0,
) -> Recipe:
    """A mixture of recipes of one model. Size and seed are the first part's, finishing controls the weighted mean.

    Raises InvalidRequestError.
    """
    given = list(parts)
    _check_parts(given, mode, mask_sha256, steps)
    first = given[0][0]
    shares = _thousandths({str(i): weight for i, (_, weight) in enumerate(given)})
    weighted = tuple((recipe.drawn(), shares[str(i)] / 1000) for i, (recipe, _) in enumerate(given))
    means = {name: _float32(sum(w * r.controls[name] for r, w in weighted)) for name in first.controls}
    width, height = size_px or (first.width_px, first.height_px)
    outer = replace(first, width_px=width, height_px=height, psi=1.0, classes=(), controls=means, detail=None)
    return _derived(card, outer, Mixture(weighted, mode, mask_sha256, steps))


def capture_recipe(card: ModelCard, captured: Captured, seed: int, size_px: tuple[int, int]) -> Recipe:
    """The recipe of a capture, with all controls at their defaults. Raises InvalidRequestError."""
    return with_origin(make_recipe(card, [(card.classes[0].name, 1.0)], seed, size_px), captured)


def with_origin(plain: Recipe, captured: Captured) -> Recipe:
    """A plain recipe's size, seed and controls with what was captured instead of its classes."""
    return replace(plain, classes=(), psi=1.0, origin=captured)


def _check_parts(parts: list[tuple[Recipe, float]], mode: MixMode, mask_sha256: str, steps: int) -> None:
    fewest, most = (2, 2) if mode is MixMode.TRANSITION else (2, MAX_PARTS)
    if not fewest <= len(parts) <= most:
        raise InvalidRequestError(f"{len(parts)} recipes: a {mode} takes {fewest}" + (f" to {most}" if most > fewest else ""), "parts")
    if len({recipe.model_digest for recipe, _ in parts}) > 1:
        raise InvalidRequestError("the recipes are of different models: only recipes of one model can be mixed", "parts")
    if not all(math.isfinite(weight) and weight > 0 for _, weight in parts):
        raise InvalidRequestError("the weights must be numbers above 0", "parts")
    if any(recipe.masked() for recipe, _ in parts):
        raise InvalidRequestError("a painted mix or a transition cannot be a part of another mix", "parts")
    if (mode is MixMode.PAINT) != bool(mask_sha256):
        raise InvalidRequestError("a painted mix needs a mask, and no other mix takes one", "mask")
    if mode is MixMode.TRANSITION and not 1 <= steps <= MAX_STEPS:
        raise InvalidRequestError(f"{steps} steps: a transition takes 1 to {MAX_STEPS}", "steps")


def _derived(card: ModelCard, outer: Recipe, origin: Origin) -> Recipe:
    """``outer`` with that origin; its controls inside the network (but the tile size) go back to neutral, as the parts have theirs."""
    inside = {c.name: _float32(c.default) for c in card.controls if not c.post_process and c.name != "tile_px"}
    recipe = replace(outer, origin=origin, controls={**outer.controls, **inside})
    if recipe.depth() > MAX_DEPTH:
        raise InvalidRequestError(
            f"recipes lie {recipe.depth()} deep in each other: allowed are {MAX_DEPTH}; start from a plain recipe", "recipe"
        )
    return recipe


def with_controls(recipe: Recipe, card: ModelCard, given: Mapping[str, float]) -> Recipe:
    """The recipe with some controls set. Raises InvalidRequestError."""
    checked = _check_controls(card, given)
    return replace(recipe, controls={**recipe.controls, **{name: checked[name] for name in given}})


def with_size(recipe: Recipe, card: ModelCard, size_px: tuple[int, int]) -> Recipe:
    """The recipe at another size (width, height). Raises InvalidRequestError."""
    scale = recipe.detail.scale if recipe.detail else 1
    width, height = (_check_edge(card, edge, name, scale) for edge, name in zip(size_px, ("width", "height"), strict=True))
    return replace(recipe, width_px=width, height_px=height)


def _float32(value: float) -> float:
    result: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return result
