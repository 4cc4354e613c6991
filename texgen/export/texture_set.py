# SPDX-License-Identifier: Apache-2.0
"""The maps of one material in memory, whoever made them: what exporters take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from texgen.errors import InvalidRequestError
from texgen.files.images import decode
from texgen.maps import MapKind, Material, Pixels


@dataclass(frozen=True)
class TextureSet:
    """Maps of one size. Raises InvalidRequestError where they are of several."""

    stem: str
    maps: Mapping[MapKind, Pixels]
    """(H, W, C) as in `MAP_SPECS`, of 8 or 16 bits; the normal with +Y up (OpenGL)."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """As in a sidecar: recipe, output_licence, height_range_m, controls, ..."""

    def __post_init__(self) -> None:
        sizes = {kind: pixels.shape[:2] for kind, pixels in self.maps.items()}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{kind} {w} x {h}" for kind, (h, w) in sizes.items())
            raise InvalidRequestError(
                f"the maps of {self.stem} differ in size ({told}): enlarge or shrink them first",
                "maps",
            )

    @property
    def size_px(self) -> tuple[int, int]:
        """(height, width)."""
        height, width = next(iter(self.maps.values())).shape[:2]
        return height, width

    @property
    def tile_m(self) -> float:
        """Edge of the texture in metres; 1 where nothing is known."""
        return float(self.about.get("controls", {}).get("tile_size_m", 1.0))

    @property
    def height_m(self) -> float:
        """White over black of the height map in metres; 0 where nothing is known."""
        return float(self.about.get("height_range_m", 0.0))


def texture_set(material: Material, stem: str, about: Mapping[str, Any]) -> TextureSet:
    """A finished material, decoded."""
    return TextureSet(stem, {kind: decode(packed) for kind, packed in material.maps.items()}, about)
