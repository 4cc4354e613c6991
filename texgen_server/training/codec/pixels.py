# SPDX-License-Identifier: Apache-2.0
"""Exemplars as one flat tensor of bytes on the training device, and crops of it.

All channels have 8 bits, also heights: training needs no more.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from texgen.maps import from_unit
from texgen_server.networks.codec import MAPS
from texgen_server.training.exemplars.pack import (
    CataloguedSet,
    Pack,
    catalogued_sets,
    exemplar_file,
    read_exemplar,
)
from texgen_server.training.exemplars.prepare import CHANNELS, NORMAL, Exemplar, read_scan

UNIT = 127.5
"""Unit of deviations from an exemplar's mean, as networks see them: half a byte's range."""
NORMAL_X, NORMAL_Y = CHANNELS.index("normal_x"), CHANNELS.index("normal_y")


@dataclass(frozen=True)
class Picture:
    """An exemplar at one size, as bytes."""

    asset_id: str
    grid: str
    pixels: NDArray[np.uint8]
    """Samples (H, W, 9); normals from [-1, 1] to [0, 255]."""
    known: NDArray[np.float32]
    """Mask (9,): 0 for channels that are constant and bypass the codec, else 1."""
    wraps: bool
    """True for a whole tile; of a part of a tile only its inside may be cropped."""


def to_picture(exemplar: Exemplar, grid: str) -> Picture:
    """Return the bytes of an exemplar."""
    maps = exemplar.maps.copy()
    maps[..., NORMAL] = maps[..., NORMAL] * 0.5 + 0.5
    known = np.asarray(
        [0.0 if name in exemplar.about.constants else 1.0 for name in CHANNELS], np.float32
    )
    pixels = from_unit(maps, np.uint8, half_to_even=True)
    return Picture(exemplar.about.asset_id, grid, pixels, known, wraps=True)


def read_pictures(pack: Pack, names: list[tuple[str, str]], jobs: int) -> list[Picture]:
    """Read exemplars (asset id, grid) of a pack as bytes, in the given order."""
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(partial(_read_picture, pack.folder), names, chunksize=4))


def prepare_pictures(data: Path, jobs: int) -> list[Picture]:
    """Prepare all sets of a data folder in memory, at all of `GRIDS`: for a machine that holds no
    pack.
    """
    sets = [s for s in catalogued_sets(data) if (data / "materials" / s.asset.asset_id).is_dir()]
    with ProcessPoolExecutor(jobs) as pool:
        return [
            picture
            for pictures in pool.map(partial(_prepare_pictures, data), sets)
            for picture in pictures
        ]


def _read_picture(folder: Path, which: tuple[str, str]) -> Picture:
    asset_id, grid = which
    return to_picture(read_exemplar(exemplar_file(folder, asset_id, grid)), grid)


def _prepare_pictures(data: Path, item: CataloguedSet) -> list[Picture]:
    scan = read_scan(data, item.asset, item.layout, item.material_class)
    return [to_picture(scan.at(size), grid) for grid, size in item.grids().items()]


class PictureSet:
    """Pictures in one flat tensor; rows of all other tensors are pictures."""

    def __init__(self, pictures: list[Picture], device: torch.device) -> None:
        self.ids = [p.asset_id for p in pictures]
        self.grids = [p.grid for p in pictures]
        self.device = device
        self.sizes = [p.pixels.shape[:2] for p in pictures]
        areas = [h * w for h, w in self.sizes]
        flat = np.empty((sum(areas), MAPS), np.uint8)
        starts = np.concatenate([[0], np.cumsum(areas)[:-1]]).astype(np.int64)
        for picture, start, area in zip(pictures, starts, areas, strict=True):
            flat[start : start + area] = picture.pixels.reshape(area, MAPS)
        self.flat = torch.from_numpy(flat).to(device)
        self.starts = torch.from_numpy(starts).to(device)
        self.edges = torch.tensor(self.sizes, device=device)
        self.wraps = torch.tensor([p.wraps for p in pictures], device=device)
        means = np.stack([p.pixels.reshape(-1, MAPS).mean(0) for p in pictures]).astype(np.float32)
        self.means = torch.from_numpy(means).to(device)
        self.known = torch.from_numpy(np.stack([p.known for p in pictures])).to(device)

    def __len__(self) -> int:
        return len(self.ids)

    def whole(self, row: int) -> Tensor:
        """Return the deviations (1, 9, H, W) of a whole picture."""
        (height, width), start = self.sizes[row], int(self.starts[row])
        values = self.flat[start : start + height * width].view(1, height, width, MAPS)
        return ((values.float() - self.means[row]) / UNIT).permute(0, 3, 1, 2)

    def corners(
        self, rows: Tensor, size_px: int, multiple_px: int, random: torch.Generator
    ) -> Tensor:
        """Return random top left corners (B, 2), on multiples of ``multiple_px``, inside the
        picture where it does not wrap.
        """
        span = torch.where(self.wraps[rows, None], self.edges[rows], self.edges[rows] - size_px + 1)
        uniform = torch.rand(len(rows), 2, device=self.device, generator=random)
        return ((uniform * span) / multiple_px).long() * multiple_px

    def crops(self, rows: Tensor, corners: Tensor, size_px: int) -> Tensor:
        """Return deviations (B, 9, size, size) at corners (B, 2), on the torus."""
        steps = torch.arange(size_px, device=self.device)
        return self.gather(
            rows,
            corners[:, 0, None, None] + steps[None, :, None],
            corners[:, 1, None, None] + steps[None, None],
        )

    def gather(self, rows: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Return deviations (B, 9, h, w) of picture ``rows`` (B,) at pixels y and x (both broadcast
        to (B, h, w)), on the torus.
        """
        height, width = (self.edges[rows, axis, None, None] for axis in (0, 1))
        index = self.starts[rows, None, None] + (y % height) * width + x % width
        values = self.flat[index.flatten()].view(*index.shape, MAPS).float()
        return ((values - self.means[rows, None, None]) / UNIT).permute(0, 3, 1, 2)


def turn(maps: Tensor, code: int) -> Tensor:
    """Mirror and transpose (B, 9, S, S) maps, with their normals: bit 0 across, bit 1 down, bit 2
    along the diagonal.
    """
    if code & 1:
        maps = _signed(maps.flip(3), -1.0, 1.0)
    if code & 2:
        maps = _signed(maps.flip(2), 1.0, -1.0)
    if code & 4:
        maps = maps.transpose(2, 3)
        order = list(range(MAPS))
        order[NORMAL_X], order[NORMAL_Y] = NORMAL_Y, NORMAL_X
        maps = _signed(maps[:, order], -1.0, -1.0)
    return maps


def _signed(maps: Tensor, x: float, y: float) -> Tensor:
    signs = maps.new_ones(MAPS)
    signs[NORMAL_X], signs[NORMAL_Y] = x, y
    return maps * signs.view(1, -1, 1, 1)
