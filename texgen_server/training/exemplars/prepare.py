# SPDX-License-Identifier: Apache-2.0
"""Turns a stored material set into an exemplar: nine channels on the exemplar's own grid, with its
constants, relief and size.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError
from texgen_server.training.catalog import Asset
from texgen_server.training.exemplars.families import CELL_PX, Layout
from texgen_server.training.exemplars.light import flatten_light
from texgen_server.training.exemplars.resampling import even_positions, resample_axis, row_positions
from texgen_server.training.exemplars.sources import read_map
from texgen_server.training.exemplars.surface import make_surface, slope_agreement
from texgen_server.training.scanned_relief import ambient_occlusion

Array = NDArray[np.float32]

CHANNELS = ("red", "green", "blue", "normal_x", "normal_y", "roughness", "metallic", "height", "ao")
"""Order of an exemplar's channels.

Colours are sRGB; normals x and y of the unit normal; height in units of the relief.
"""
COLOUR, NORMAL, ROUGHNESS, METALLIC, HEIGHT, AO = slice(0, 3), slice(3, 5), 5, 6, 7, 8
CONSTANT_RANGE = 2.5 / 255.0
"""Range between the 0.1 and 99.9 percentiles up to which a channel is stored as a constant."""
ASSUMED_ROUGHNESS = 0.9
UNEVEN_LIGHT = frozenset({"gradient", "baked"})
METRES_FILE = Path(__file__).with_name("metres.toml")
LONGEST_NORMAL_XY = 0.989
"""Length of a normal's x and y beyond which (an angle of 81.5 degrees) 8 bits hold no direction."""


@dataclass(frozen=True)
class About:
    """Facts about an exemplar beside its maps; written into its file."""

    asset_id: str
    material_class: str
    family: str
    publisher: str
    licence: str
    source: str
    quality: int
    relief_tiles: float
    """Height from black to white as a fraction of the tile's edge."""
    metres: float
    """Edge of the tile in metres."""
    height_source: str
    slope_agreement: float
    """Correlation of the height's slopes with the normal's."""
    constants: dict[str, float]
    """Channels that are the same everywhere, with their values in [0, 1] (normals in [-1, 1])."""
    corrections: tuple[str, ...]
    """Changes that were made to the scan."""

    def as_json(self) -> dict[str, Any]:
        """Return the facts as plain types."""
        return asdict(self)


@dataclass(frozen=True)
class Exemplar:
    """Nine channels (H, W, 9) float32 in the order of `CHANNELS`: normals in [-1, 1], all others in
    [0, 1]; periodic in both directions.
    """

    maps: Array
    about: About


def tile_metres(material_class: str) -> float:
    """Return the usual edge of a tile in metres by class (``metres.toml``), 1.0 for classes that
    are not there.
    """
    return float(tomllib.loads(METRES_FILE.read_text(encoding="utf-8")).get(material_class, 1.0))


@dataclass(frozen=True)
class Scan:
    """A set at its stored size, with all corrections made, before resampling."""

    maps: Array
    """Maps (H, W, 9) as in `Exemplar`."""
    relief_px: float
    """Height from black to white in stored pixels."""
    height_source: str
    asset: Asset
    layout: Layout
    material_class: str

    def at(self, grid_px: tuple[int, int]) -> Exemplar:
        """Resample to a grid (height, width)."""
        maps = _bounded(_to_grid(self.maps, self.layout, grid_px))
        asset, layout, rows = self.asset, self.layout, self.maps.shape[0]
        about = About(
            asset_id=asset.asset_id,
            material_class=self.material_class,
            family=layout.family.value,
            publisher=asset.publisher,
            licence=asset.licence,
            source=asset.source,
            quality=layout.quality,
            relief_tiles=self.relief_px / rows,
            metres=tile_metres(self.material_class),
            height_source=self.height_source,
            slope_agreement=round(_agreement(maps, self.relief_px * grid_px[0] / rows), 3),
            constants=find_constants(maps),
            corrections=_known_corrections(layout),
        )
        return Exemplar(maps, about)


def read_scan(data: Path, asset: Asset, layout: Layout, material_class: str) -> Scan:
    """Read ``data/materials/<asset>``, join height and normals, flatten light where the table says
    it is uneven.

    Raises InvalidRequestError when basecolor or normal is missing or cannot be read.
    """
    stored = _read_stored(data / "materials" / asset.asset_id)
    surface = make_surface(stored["normal"], stored.get("height"), layout)
    basecolor = (
        flatten_light(stored["basecolor"]) if UNEVEN_LIGHT & layout.flags else stored["basecolor"]
    )
    height = surface.height_px
    if np.ptp(surface.normal, (0, 1)).max() <= CONSTANT_RANGE:  # a constant normal holds no relief
        height = np.zeros_like(height)
    shape = height.shape
    relief_px = max(2.1 * float(np.quantile(np.abs(height), 0.999)), 1e-3 * shape[0])
    roughness = stored.get("roughness", np.full(shape, ASSUMED_ROUGHNESS, np.float32))
    metallic = stored.get("metallic", np.full(shape, asset.metallic_default, np.float32))
    ao = stored["ao"] if "ao" in stored else ambient_occlusion(height)
    unit = np.clip(0.5 + height / relief_px, 0.0, 1.0).astype(np.float32)
    maps = np.concatenate(
        [basecolor, surface.normal, np.stack([roughness, metallic, unit, ao], -1)], -1
    )
    return Scan(maps, relief_px, surface.source, asset, layout, material_class)


def find_constants(maps: Array) -> dict[str, float]:
    """Return channels of (H, W, 9) maps that hardly vary, with their medians."""
    low, high = np.quantile(maps.reshape(-1, maps.shape[-1]), [0.001, 0.999], axis=0)
    middle = np.median(maps.reshape(-1, maps.shape[-1]), axis=0)
    spans = high - low
    return {
        name: round(float(middle[i]), 4)
        for i, name in enumerate(CHANNELS)
        if spans[i] <= CONSTANT_RANGE
    }


def normal_vectors(maps: Array) -> Array:
    """Return the unit normals (H, W, 3) in [-1, 1] of (H, W, 9) maps."""
    xy = maps[..., NORMAL]
    z = np.sqrt(np.clip(1.0 - (xy * xy).sum(-1, keepdims=True), 1e-4, 1.0))
    return np.concatenate([xy, z], -1)


def _read_stored(folder: Path) -> dict[str, Array]:
    """Read the maps of a set at the size of its basecolor."""
    wanted = {"basecolor": 3, "normal": 3, "roughness": 1, "metallic": 1, "height": 1, "ao": 1}
    maps = {
        name: values
        for name, channels in wanted.items()
        if (values := read_map(folder, name, channels)) is not None
    }
    missing = [name for name in ("basecolor", "normal") if name not in maps]
    if missing:
        raise InvalidRequestError(
            f"{folder}: no {' and no '.join(missing)}; an exemplar needs both"
        )
    rows, columns = maps["basecolor"].shape[:2]
    for name, values in maps.items():
        for axis, size in ((0, rows), (1, columns)):
            if values.shape[axis] != size:
                maps[name] = values = resample_axis(
                    values, even_positions(values.shape[axis], size), axis
                )
    return maps


def _to_grid(maps: Array, layout: Layout, grid_px: tuple[int, int]) -> Array:
    for axis, wanted in enumerate(grid_px):
        stored = maps.shape[axis]
        rows = layout.rows
        if rows and not rows.equal and rows.axis == "yx"[axis]:
            maps = resample_axis(
                maps, row_positions(stored, wanted, rows.boundaries, CELL_PX), axis
            )
        elif stored != wanted:
            maps = resample_axis(maps, even_positions(stored, wanted), axis)
    return maps


def _bounded(maps: Array) -> Array:
    """Clip to each channel's range; normals keep their direction."""
    xy = maps[..., NORMAL]
    length = np.sqrt((xy * xy).sum(-1, keepdims=True))
    bounded = np.clip(maps, 0.0, 1.0)
    bounded[..., NORMAL] = xy * np.minimum(1.0, LONGEST_NORMAL_XY / np.maximum(length, 1e-6))
    return bounded


def _agreement(maps: Array, relief_px: float) -> float:
    return slope_agreement(
        normal_vectors(maps), (maps[..., HEIGHT] - maps[..., HEIGHT].mean()) * np.float32(relief_px)
    )


def _known_corrections(layout: Layout) -> tuple[str, ...]:
    made = {
        "normals_swapped": "normal x and y exchanged",
        "tilt": "mean slope removed",
        "inverted": "relief turned",
        "badheight": "height integrated from the normal",
        "height_not_normal": "height integrated from the normal",
    }
    found = [text for flag, text in made.items() if flag in layout.flags]
    if UNEVEN_LIGHT & layout.flags:
        found.append("light flattened")
    if layout.rows and not layout.rows.equal:
        found.append(f"rows moved to multiples of {CELL_PX} px")
    return tuple(dict.fromkeys(found))
