# SPDX-License-Identifier: Apache-2.0
"""Maps -> larger maps: runs the upscaler tile by tile; the border of the picture decides which
pixels lie beyond its edges. Numpy only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError
from texgen.maps import MAX_EDGE_PX, Border, MapKind, Pixels, from_unit, to_unit
from texgen_server.backend import Backend
from texgen_server.networks.channels import SLOPE_UNIT, channel_slices, split_channels
from texgen_server.networks.params import UPSCALER_CHANNELS
from texgen_server.upscaling.border import gather

Array = NDArray[np.float32]
Planes = dict[MapKind, NDArray[Any]]
"""Maps (H, W, C) in their own dtype; float32 samples go through the network as they are."""

MIN_NORMAL_Z = 0.1
TILE_PX = 512
"""Height, in px of the small picture, of a tile that is computed at once; halo not counted."""
WIDER = 2
"""Width of a tile over its height: a wider tile has less halo."""
STORED_ROWS = 32
"""Rows that are rounded at a time: they stay in the processor's cache."""


@dataclass(frozen=True)
class TiledUpscaler:
    """Enlarges maps with an upscaler network."""

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
        """Enlarge maps of one size together, each (H, W, C) in its own dtype; enlarged one by one
        they would not agree as well.

        A fourth channel of the basecolor is alpha. Normals keep their convention, OpenGL or
        DirectX. Raises InvalidRequestError.
        """
        self._check_size(maps)
        large = self._allocate(maps)
        layers: list[tuple[Planes, Planes]] = [(dict(maps), dict(large))]
        color = maps.get(MapKind.BASECOLOR)
        if color is not None and color.shape[2] == 4:
            out = large[MapKind.BASECOLOR]
            layers[0][0][MapKind.BASECOLOR] = color[..., :3]
            layers[0][1][MapKind.BASECOLOR] = out[..., :3]
            layers.append(({MapKind.ROUGHNESS: color[..., 3:]}, {MapKind.ROUGHNESS: out[..., 3:]}))
        self._enlarge(layers)
        return large

    def color_planes(self, planes: Array) -> Array:
        """Enlarge (3, H, W) float32 to (3, scale H, scale W), unclipped and without rounding.

        The network takes them as a basecolor: values of about [0, 1] suit it best.
        """
        small: Planes = {MapKind.BASECOLOR: np.moveaxis(planes, 0, -1)}
        self._check_size(small)
        height, width = planes.shape[1] * self.scale, planes.shape[2] * self.scale
        out = np.empty((3, height, width), np.float32)
        self._enlarge([(small, {MapKind.BASECOLOR: np.moveaxis(out, 0, -1)})])
        return out

    def _check_size(self, maps: Mapping[MapKind, NDArray[Any]]) -> None:
        height, width = common_size(maps)
        if max(height, width) * self.scale > MAX_EDGE_PX:
            raise InvalidRequestError(
                f"{width} x {height} px times {self.scale}: at most {MAX_EDGE_PX} px on an "
                f"edge; take a smaller scale or picture",
                "scale",
            )

    def _allocate(self, maps: Mapping[MapKind, Pixels]) -> dict[MapKind, Pixels]:
        return {
            kind: np.zeros((p.shape[0] * self.scale, p.shape[1] * self.scale, p.shape[2]), p.dtype)
            for kind, p in maps.items()
        }

    def _enlarge(self, layers: list[tuple[Planes, Planes]]) -> None:
        """Fill each layer's large maps from its small ones; layers do not see each other."""
        boxes = list(self._boxes(*common_size(layers[0][0])))
        with ThreadPoolExecutor(1) as rounding:
            stored: Future[None] | None = None  # a tile is rounded while the next one is computed
            for number, (top, bottom, left, right) in enumerate(boxes):
                for small, large in layers:
                    self.check()
                    tile = self._tile(small, (top, bottom, left, right), stored)
                    stored = rounding.submit(
                        _store, large, tile, top * self.scale, left * self.scale
                    )
                self.on_progress((number + 1) / len(boxes))
        if stored:
            stored.result()

    def _boxes(self, height: int, width: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield (top, bottom, left, right) of each tile in the small picture."""
        across = WIDER * self.tile_px
        for top in range(0, height, self.tile_px):
            for left in range(0, width, across):
                yield top, min(height, top + self.tile_px), left, min(width, left + across)

    def _tile(
        self,
        maps: Planes,
        box: tuple[int, int, int, int],
        stored: Future[None] | None,
    ) -> Array:
        """Compute (9, h s, w s) of a box (top, bottom, left, right), in memory that the tile before
        it occupies until it is ``stored``.
        """
        top, bottom, left, right = box
        halo = self.halo_px
        rows, columns = np.arange(top - halo, bottom + halo), np.arange(left - halo, right + halo)
        small = np.zeros((1, UPSCALER_CHANNELS, len(rows), len(columns)), np.float32)
        for name, channels in channel_slices().items():
            kind = MapKind(name)
            if kind in maps:
                small[0, channels] = _planes(kind, gather(maps[kind], rows, columns, self.border))
        detail, contrast = self.backend.run("detail", [small], reuse_outputs=True)
        found = self.backend.run(f"residual_x{self.scale}", [detail], reuse_outputs=True)
        if stored:
            stored.result()
        (large,) = self.backend.run(
            f"compose_x{self.scale}", [small, contrast, *found], reuse_outputs=True
        )
        border = (large.shape[2] - (bottom - top) * self.scale) // 2  # the part of the halo left
        inside: Array = large[0, :, border:-border, border:-border]
        return inside


def common_size(maps: Mapping[MapKind, NDArray[Any]]) -> tuple[int, int]:
    """Return (rows, columns) of maps. Raises InvalidRequestError when there are none, or sizes
    differ.
    """
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


def _planes(kind: MapKind, pixels: NDArray[Any]) -> Array:
    """Turn (h, w, C) into channels of the network."""
    unit: Array = pixels if pixels.dtype == np.float32 else to_unit(pixels)
    if kind is MapKind.NORMAL:
        return slopes_from_normal(
            np.moveaxis(unit[..., :2], -1, 0) * np.float32(2.0) - np.float32(1.0)
        )
    return np.moveaxis(unit, -1, 0)


def slopes_from_normal(xy: Array) -> Array:
    """Turn normals' x (right) and y (up), (..., 2, h, w) in [-1, 1], into slopes (right, down) in
    units of `SLOPE_UNIT`.
    """
    z = np.sqrt(np.maximum(1.0 - (xy * xy).sum(-3, keepdims=True), MIN_NORMAL_Z**2))
    slopes: Array = (
        xy * np.array([-1.0, 1.0], np.float32)[:, None, None] / (z * SLOPE_UNIT)
    ).astype(np.float32)
    return slopes


def normal_from_slopes(slopes: Array) -> Array:
    """Turn slopes (..., 2, h, w) into unit normals (..., 3, h, w): inverts `slopes_from_normal`."""
    right, down = -slopes[..., 0, :, :] * SLOPE_UNIT, slopes[..., 1, :, :] * SLOPE_UNIT
    normal = np.stack([right, down, np.ones_like(right)], -3)
    unit: Array = normal / np.sqrt((normal * normal).sum(-3, keepdims=True))
    return unit


def _store(target: Planes, large: Array, top: int, left: int) -> None:
    """Write the network's channels into the maps at a place, rounded to their dtypes."""
    for name, channels in split_channels(large).items():
        plane = target.get(MapKind(name))
        if plane is None:
            continue
        for row in range(0, large.shape[1], STORED_ROWS):
            unit = channels[:, row : row + STORED_ROWS]
            if name == MapKind.NORMAL:
                unit = normal_from_slopes(unit) * np.float32(0.5) + np.float32(0.5)
            area = plane[top + row : top + row + unit.shape[1], left : left + large.shape[2]]
            area[...] = np.moveaxis(from_unit(unit, plane.dtype), 0, -1)
