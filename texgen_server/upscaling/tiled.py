# SPDX-License-Identifier: Apache-2.0
"""Maps -> larger maps: runs the upscaler tile by tile, with what lies beyond the edges taken as the
picture's border says. Numpy only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError
from texgen.maps import MAX_EDGE_PX, MapKind, Pixels, to_unit
from texgen_server.backend import Backend
from texgen_server.networks.channels import MAP_CHANNELS, SLOPE_UNIT

Array = NDArray[np.float32]
Indices = NDArray[np.int64]

MIN_NORMAL_Z = 0.1
TILE_PX = 512
"""Height, in px of the small picture, of what is computed at once; halo not counted."""
WIDER = 2
"""How many times as wide as high that is: less of it is halo."""
STORED_ROWS = 32
TOPS = {"uint8": 255.0, "uint16": 65535.0, "float16": 0.0}


class Border(StrEnum):
    """What lies beyond the edges of a picture."""

    WRAP = "wrap"
    """The other side: a tileable texture."""
    WRAP_X = "wrap-x"
    """The other side to the left and right, a mirror above and below: a trim sheet."""
    WRAP_Y = "wrap-y"
    """The other way round."""
    MIRROR = "mirror"
    """A mirror on all sides: a photograph that does not tile."""
    PANORAMA = "panorama"
    """The other side to the left and right, the other half turn of the sky above and below: an
    equirectangular panorama.
    """


@dataclass(frozen=True)
class TiledUpscaler:
    """How to enlarge."""

    backend: Backend
    halo_px: int
    """Border that the network's results depend on (`UpscalerParams.halo_px`)."""
    scale: int
    border: Border = Border.WRAP
    tile_px: int = TILE_PX
    check: Callable[[], None] = lambda: None
    """Called between tiles; raises to stop the work."""
    on_progress: Callable[[float], None] = lambda fraction: None

    def maps(self, maps: Mapping[MapKind, Pixels]) -> dict[MapKind, Pixels]:
        """Enlarge maps of one size together, each (H, W, C) in its own dtype; alone they would not
        agree as well.

        A fourth channel of the basecolor is alpha. Normals are OpenGL or DirectX, as they come.
        Raises InvalidRequestError.
        """
        height, width = common_size(maps)
        if max(height, width) * self.scale > MAX_EDGE_PX:
            raise InvalidRequestError(
                f"{width} x {height} px times {self.scale}: at most {MAX_EDGE_PX} px on an "
                f"edge; take a smaller scale or picture",
                "scale",
            )
        out = {
            kind: np.zeros((height * self.scale, width * self.scale, p.shape[2]), p.dtype)
            for kind, p in maps.items()
        }
        layers: list[tuple[dict[MapKind, Pixels], dict[MapKind, Pixels]]] = [(dict(maps), out)]
        color = maps.get(MapKind.BASECOLOR)
        if color is not None and color.shape[2] == 4:
            layers[0] = (
                layers[0][0] | {MapKind.BASECOLOR: color[..., :3]},
                out | {MapKind.BASECOLOR: out[MapKind.BASECOLOR][..., :3]},
            )
            layers.append(
                (
                    {MapKind.ROUGHNESS: color[..., 3:]},
                    {MapKind.ROUGHNESS: out[MapKind.BASECOLOR][..., 3:]},
                )
            )
        across = WIDER * self.tile_px
        tiles = [
            (top, left)
            for top in range(0, height, self.tile_px)
            for left in range(0, width, across)
        ]
        with ThreadPoolExecutor(1) as rounding:
            stored: Future[None] | None = (
                None  # a tile is rounded while the network sees the next one
            )
            for number, (top, left) in enumerate(tiles):
                bottom, right = min(height, top + self.tile_px), min(width, left + across)
                for source, target in layers:
                    self.check()
                    large = self._tile(source, (top, bottom, left, right), stored)
                    stored = rounding.submit(
                        _store, target, large, top * self.scale, left * self.scale
                    )
                self.on_progress((number + 1) / len(tiles))
        if stored:
            stored.result()
        return out

    def _tile(
        self,
        maps: dict[MapKind, Pixels],
        box: tuple[int, int, int, int],
        stored: Future[None] | None,
    ) -> Array:
        """(9, h s, w s) of a box (top, bottom, left, right), in memory that the tile before it
        holds until it is ``stored``.
        """
        top, bottom, left, right = box
        halo = self.halo_px
        small = np.zeros(
            (1, sum(MAP_CHANNELS.values()), bottom - top + 2 * halo, right - left + 2 * halo),
            np.float32,
        )
        first = 0
        for kind, channels in MAP_CHANNELS.items():
            if MapKind(kind) in maps:
                cut = _cut(
                    maps[MapKind(kind)],
                    np.arange(top - halo, bottom + halo),
                    np.arange(left - halo, right + halo),
                    self.border,
                )
                small[0, first : first + channels] = _planes(kind, cut)
            first += channels
        detail, contrast = self.backend.run("detail", [small], reuse_outputs=True)
        found = self.backend.run(f"residual_x{self.scale}", [detail], reuse_outputs=True)
        if stored:
            stored.result()
        (large,) = self.backend.run(
            f"compose_x{self.scale}", [small, contrast, *found], reuse_outputs=True
        )
        border = (large.shape[2] - (bottom - top) * self.scale) // 2  # what of the halo is left
        inside: Array = large[0, :, border:-border, border:-border]
        return inside


def common_size(maps: Mapping[MapKind, Pixels]) -> tuple[int, int]:
    """(rows, columns) of maps. Raises InvalidRequestError when there are none, or sizes differ."""
    sizes = {p.shape[:2] for p in maps.values()}
    if not sizes:
        raise InvalidRequestError("no maps came: send at least one", "maps")
    if len(sizes) > 1:
        listed = ", ".join(f"{kind} {p.shape[1]} x {p.shape[0]}" for kind, p in maps.items())
        raise InvalidRequestError(
            f"maps of unlike sizes ({listed}): scale them to one size, or upscale them one by one",
            "maps",
        )
    height, width = sizes.pop()
    return int(height), int(width)


def _cut(pixels: Pixels, rows: Indices, columns: Indices, border: Border) -> Pixels:
    """(H, W, C) at rows and columns that may lie outside."""
    height, width = pixels.shape[:2]
    if border is Border.PANORAMA:
        over = (rows < 0) | (rows >= height)
        inside: Pixels = pixels[_mirrored(rows, height)[:, None], (columns % width)[None]]
        beyond = pixels[
            _mirrored(rows[over], height)[:, None], ((columns + width // 2) % width)[None]
        ]
        inside[over] = beyond
        return inside
    down = rows % height if border in (Border.WRAP, Border.WRAP_Y) else _mirrored(rows, height)
    right = columns % width if border in (Border.WRAP, Border.WRAP_X) else _mirrored(columns, width)
    return np.take(np.take(pixels, down, 0), right, 1)


def _mirrored(places: Indices, length: int) -> Indices:
    """Places reflected at the edges, as often as it takes; the edge's own pixel comes twice."""
    folded = places % (2 * length)
    return np.where(folded < length, folded, 2 * length - 1 - folded)


def _planes(kind: str, pixels: Pixels) -> Array:
    """(h, w, C) -> channels of the network."""
    unit = to_unit(pixels)
    if kind == "normal":
        return slopes_from_normal(np.moveaxis(unit[..., :2], -1, 0) * 2.0 - 1.0)
    return np.moveaxis(unit, -1, 0)


def slopes_from_normal(xy: Array) -> Array:
    """Normal x (right) and y (up), (..., 2, h, w) in [-1, 1] -> slopes (right, down) in units of
    `SLOPE_UNIT`.
    """
    z = np.sqrt(np.maximum(1.0 - (xy * xy).sum(-3, keepdims=True), MIN_NORMAL_Z**2))
    slopes: Array = (
        xy * np.array([-1.0, 1.0], np.float32)[:, None, None] / (z * SLOPE_UNIT)
    ).astype(np.float32)
    return slopes


def normal_from_slopes(slopes: Array) -> Array:
    """The inverse: (..., 2, h, w) -> unit normals (..., 3, h, w)."""
    right, down = -slopes[..., 0, :, :] * SLOPE_UNIT, slopes[..., 1, :, :] * SLOPE_UNIT
    normal = np.stack([right, down, np.ones_like(right)], -3)
    unit: Array = normal / np.sqrt((normal * normal).sum(-3, keepdims=True))
    return unit


def _store(target: dict[MapKind, Pixels], large: Array, top: int, left: int) -> None:
    """Round the network's channels into the maps at a place; some rows at a time, which stay in the
    processor's cache.
    """
    first = 0
    for kind, channels in MAP_CHANNELS.items():
        plane = target.get(MapKind(kind))
        if plane is not None:
            for row in range(0, large.shape[1], STORED_ROWS):
                values = large[first : first + channels, row : row + STORED_ROWS]
                unit = (
                    normal_from_slopes(values) * np.float32(0.5) + np.float32(0.5)
                    if kind == "normal"
                    else values
                )
                area = plane[top + row : top + row + values.shape[1], left : left + large.shape[2]]
                np.copyto(
                    area,
                    np.moveaxis(_rounded(unit, TOPS[str(plane.dtype)]), 0, -1),
                    casting="unsafe",
                )
        first += channels


def _rounded(unit: Array, top: float) -> Array:
    """Unit samples -> whole numbers up to ``top``; 0 leaves them as they are."""
    rounded: Array = (
        np.floor(np.clip(unit, 0.0, 1.0) * np.float32(top) + np.float32(0.5)) if top else unit
    )
    return rounded
