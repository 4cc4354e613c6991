# SPDX-License-Identifier: Apache-2.0
"""Recipes: what names a result. Model digest + classes + seed + truncation + controls + size, or
what it was derived from.

A recipe is checked and quantised when it is made, exactly as far as its text
(`texgen.recipes.text`) can say it, so the text and the value name the same pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

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
    TRANSITION = (
        "transition"  # from the first part on the left to the second on the right, over some tiles
    )


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
    """A checked request for one material or environment.

    `texgen.recipes.build` builds it; the numbers are quantised as in the text.
    """

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
        """What the generator draws: this recipe itself, or its smaller picture.

        ``tile_px`` counts px of that one.
        """
        scale = self.detail.scale if self.detail else 1
        return replace(
            self, width_px=self.width_px // scale, height_px=self.height_px // scale, detail=None
        )

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
                return mode in (MixMode.PAINT, MixMode.TRANSITION) or any(
                    part.masked() for part, _ in parts
                )
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
