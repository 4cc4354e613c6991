# SPDX-License-Identifier: Apache-2.0
"""The recipe of a result: model digest, classes, seed, truncation, controls and size, or the
recipes from which it is derived.

A recipe is checked and quantised when it is built, to the precision of its text
(`texgen.recipes.text`), so the text and the value name the same pixels.
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
"""Greatest nesting of recipes: a variation of a mix of variations."""
DEFAULT_SIZE_PX = 1024
DETAIL_SCALES = (2, 4, 8)
"""Factors by which the upscaler enlarges; 8, for environments, enlarges twice."""
DETAIL_DIGEST_HEX = 16


class Lock(StrEnum):
    """The properties that a variation can keep."""

    LAYOUT = "layout"
    COLOUR = "colour"
    RELIEF = "relief"


class MixMode(StrEnum):
    """The modes of mixing parts."""

    BLEND = "blend"  # everything by weight
    LOOK = "look"  # layout and noise of the first part, style of the others
    PAINT = "paint"  # a mask chooses the part for each pixel
    TRANSITION = "transition"  # tiles from the first part (left) to the second (right)


@dataclass(frozen=True)
class Variation:
    """A variation of the recipe ``base``, chosen by the seed of the outer recipe."""

    base: Recipe
    amount: float
    """Distance from the base: 0 is the base itself, 1 as far as a new seed."""
    locks: tuple[Lock, ...] = ()


@dataclass(frozen=True)
class Mixture:
    """A mixture of several recipes."""

    parts: tuple[tuple[Recipe, float], ...]
    """(recipe, weight) with weights that sum to 1."""
    mode: MixMode
    mask_sha256: str = ""
    """PAINT: lower-case hex of the mask file's digest."""
    steps: int = 0
    """TRANSITION: number of tiles."""


@dataclass(frozen=True)
class Captured:
    """The measurements of a photograph. All arrays are flat and quantised to half floats."""

    code: tuple[float, ...]
    """Code of the model for the nearest material."""
    shift: tuple[float, ...]
    """Difference of the style from the style of the code."""
    waves: tuple[tuple[int, int], ...]
    amplitudes: tuple[tuple[complex, ...], ...]
    """Amplitudes of five channels for each wave."""
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
    """The enlargement of a result that the generator computes ``scale`` times smaller."""

    scale: int
    upscaler: str
    """First hex digits of the upscaler's digest."""


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
    """None: the generator computes at full size."""

    def before_upscaling(self) -> Recipe:
        """Return the recipe at the size that the generator computes; ``tile_px`` counts its px."""
        scale = self.detail.scale if self.detail else 1
        return replace(
            self, width_px=self.width_px // scale, height_px=self.height_px // scale, detail=None
        )

    def depth(self) -> int:
        """Return the nesting of recipes; 1 for a plain one."""
        match self.origin:
            case Variation(base=base):
                return 1 + base.depth()
            case Mixture(parts=parts):
                return 1 + max(part.depth() for part, _ in parts)
        return 1

    def has_mask(self) -> bool:
        """Return True if the recipe contains a painted mix or a transition."""
        match self.origin:
            case Variation(base=base):
                return base.has_mask()
            case Mixture(parts=parts, mode=mode):
                return mode in (MixMode.PAINT, MixMode.TRANSITION) or any(
                    part.has_mask() for part, _ in parts
                )
        return False

    def main_classes(self) -> tuple[tuple[str, float], ...]:
        """Return the classes with their weights, through all origins; empty for a capture."""
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
