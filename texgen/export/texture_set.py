# SPDX-License-Identifier: Apache-2.0
"""The maps of one material in memory, which exporters take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from texgen.errors import InvalidRequestError
from texgen.files.document import Sidecar
from texgen.files.images import decode
from texgen.maps import MapKind, Material, Pixels


@dataclass(frozen=True)
class TextureSet:
    """Maps of one size and their sidecar. Raises InvalidRequestError for maps of several sizes."""

    stem: str
    maps: Mapping[MapKind, Pixels]
    """(H, W, C) as in `MAP_SPECS`, of 8 or 16 bits; the normal with +Y up (OpenGL)."""
    sidecar: Sidecar = field(default_factory=dict)
    """Content of the sidecar: recipe, output_licence, height_range_m, controls, ..."""

    def __post_init__(self) -> None:
        sizes = {kind: pixels.shape[:2] for kind, pixels in self.maps.items()}
        if len(set(sizes.values())) > 1:
            listed = ", ".join(f"{kind} {w} x {h}" for kind, (h, w) in sizes.items())
            raise InvalidRequestError(
                f"the maps of {self.stem} differ in size ({listed}): enlarge or shrink them first",
                "maps",
            )

    @property
    def size_px(self) -> tuple[int, int]:
        """Size as (height, width) in px."""
        height, width = next(iter(self.maps.values())).shape[:2]
        return height, width

    @property
    def tile_m(self) -> float:
        """Edge of the texture in metres; 1 where it is unknown."""
        return float(self.sidecar.get("controls", {}).get("tile_size_m", 1.0))

    @property
    def height_m(self) -> float:
        """Height of white over black in metres; 0 where it is unknown."""
        return float(self.sidecar.get("height_range_m", 0.0))


def texture_set(material: Material, stem: str, sidecar: Sidecar) -> TextureSet:
    """Decode a material."""
    return TextureSet(
        stem, {kind: decode(packed) for kind, packed in material.maps.items()}, sidecar
    )
