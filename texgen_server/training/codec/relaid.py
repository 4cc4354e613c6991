# SPDX-License-Identifier: Apache-2.0
"""Training data of the second phase: quantised latents that index maps re-lay, and the pixels that
belong to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from texgen_server.networks.codec import CELL_PX, Codec
from texgen_server.training.codec.pixels import PictureSet

EDGE_CELLS = 4
"""Border of a picture that does not wrap, in cells, whose latents lack their surroundings."""

IndexMap = NDArray[np.int64]
"""Table (h, w, 2): for each cell of a re-laid torus, row and column of the exemplar's cell that
stands there.
"""


@dataclass
class RelaidLatents:
    """Quantised latents of all pictures, flat, with their index maps."""

    latents: Tensor  # (cells, n)
    starts: Tensor  # (N,)
    cells: Tensor  # (N, 2) rows and columns
    condition: Tensor  # (N, 2 n) mean and deviation of each latent, scaled to about 1
    # (cells, 2) the index map of each picture, flat, at the same starts; the identity where there
    # is none
    maps: Tensor


@dataclass
class JoinsBatch:
    """Crops and latents of one step."""

    real: Tensor  # (B, 9, S, S) other crops of the same exemplars
    target: Tensor  # (B, 9, S, S) the exemplar's pixels where the latents come from
    latents: Tensor  # (B, n, s, s)
    coherent: Tensor  # (B, 1, S, S) 1 where all neighbours come from the same place
    known: Tensor  # (B, 9, 1, 1)
    condition: Tensor  # (B, 2 n)


@torch.no_grad()
def encode_pictures(
    codec: Codec, pictures: PictureSet, index_maps: dict[str, IndexMap]
) -> RelaidLatents:
    """Encode every picture once.

    Index maps, by asset id, fit pictures of their own size in cells or of twice it.
    """
    latents, cells, statistics, maps = [], [], [], []
    for row in range(len(pictures)):
        border = "circular" if bool(pictures.wraps[row]) else "zeros"
        known = pictures.known[row].view(1, -1, 1, 1)
        z = codec.encoder(pictures.whole(row) * known, border).round()[0]
        scaled = z * codec.decoder.scale[0]
        statistics.append(torch.cat([scaled.mean((1, 2)), scaled.std((1, 2))]))
        rows, columns = z.shape[1:]
        cells.append((rows, columns))
        latents.append(z.flatten(1).T)
        identity = np.moveaxis(np.mgrid[0:rows, 0:columns], 0, -1)
        index_map = _fitting(index_maps.get(pictures.ids[row]), identity)
        maps.append(torch.from_numpy(index_map.reshape(-1, 2).astype(np.int64)))
    sizes = [h * w for h, w in cells]
    starts = torch.tensor([0, *np.cumsum(sizes)[:-1].tolist()], device=pictures.device)
    return RelaidLatents(
        torch.cat(latents),
        starts,
        torch.tensor(cells, device=pictures.device),
        torch.stack(statistics),
        torch.cat(maps).to(pictures.device),
    )


def _fitting(index_map: IndexMap | None, identity: IndexMap) -> IndexMap:
    """Return the index map itself, or with each cell doubled for twice as many cells, or the
    identity where neither fits.
    """
    if index_map is not None and index_map.shape == identity.shape:
        return index_map
    if index_map is not None and tuple(2 * n for n in index_map.shape[:2]) == identity.shape[:2]:
        return 2 * index_map.repeat(2, 0).repeat(2, 1) + identity % 2
    return identity


class JoinsSampler:
    """A source of batches from the given pictures."""

    def __init__(
        self,
        pictures: PictureSet,
        rows: list[int],
        relaid: RelaidLatents,
        random: torch.Generator,
    ) -> None:
        self.pictures, self.relaid, self.random = pictures, relaid, random
        self.device = pictures.device
        self.rows = torch.tensor(rows, device=self.device)

    def batch(self, count: int, crop_px: int) -> JoinsBatch:
        """Return crops with their latents: two of three are re-laid where there is an index map,
        the others are coherent.
        """
        relaid, pictures = self.relaid, self.pictures
        chosen = torch.randint(len(self.rows), (count,), device=self.device, generator=self.random)
        rows = self.rows[chosen]
        real = pictures.crops(rows, pictures.corners(rows, crop_px, 1, self.random), crop_px)
        y, x = self._places(rows, crop_px // CELL_PX)
        height, width = (relaid.cells[rows, axis, None, None] for axis in (0, 1))
        index = relaid.starts[rows, None, None] + (y % height) * width + x % width
        laid = relaid.maps[index]
        shuffled = (torch.arange(count, device=self.device) % 3 > 0)[:, None, None]
        from_y, from_x = (
            torch.where(shuffled, laid[..., 0], y % height),
            torch.where(shuffled, laid[..., 1], x % width),
        )
        latents = relaid.latents[relaid.starts[rows, None, None] + from_y * width + from_x].permute(
            0, 3, 1, 2
        )
        target = pictures.gather(rows, _to_pixels(from_y, 1), _to_pixels(from_x, 2))
        coherent = _coherent(from_y, from_x, height, width)
        known = pictures.known[rows, :, None, None]
        return JoinsBatch(
            real,
            target,
            latents.contiguous(memory_format=torch.channels_last),
            coherent.repeat_interleave(CELL_PX, 2).repeat_interleave(CELL_PX, 3),
            known,
            relaid.condition[rows],
        )

    def _places(self, rows: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Return rows and columns of cells (B, size, size) of random windows, which lie inside of
        pictures that do not wrap.
        """
        wraps, cells = self.pictures.wraps[rows, None], self.relaid.cells[rows]
        low = torch.where(wraps, 0, EDGE_CELLS)
        span = torch.where(wraps, cells, cells - size - 2 * EDGE_CELLS + 1).clamp_min(1)
        corner = (
            low
            + (torch.rand(len(rows), 2, device=self.device, generator=self.random) * span).long()
        )
        steps = torch.arange(size, device=self.device)
        y = corner[:, 0, None, None] + steps[None, :, None].expand(1, size, size)
        x = corner[:, 1, None, None] + steps[None, None, :].expand(1, size, size)
        return y, x


def _to_pixels(cells: Tensor, axis: int) -> Tensor:
    """Return the pixel coordinates (B, 8 h, 8 w) along ``axis`` of cell coordinates (B, h, w)."""
    fine = cells.repeat_interleave(CELL_PX, 1).repeat_interleave(CELL_PX, 2) * CELL_PX
    shape = [1, 1, 1]
    shape[axis] = fine.shape[axis]
    return fine + (torch.arange(fine.shape[axis], device=cells.device) % CELL_PX).view(shape)


def _coherent(y: Tensor, x: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Return (B, 1, h, w) float, 1 where a cell's four neighbours are its neighbours in the
    exemplar too.
    """
    good = torch.ones_like(y, dtype=torch.bool)
    for axis in (1, 2):
        down, right = y.diff(dim=axis) - int(axis == 1), x.diff(dim=axis) - int(axis == 2)
        same = ((down % height) == 0) & ((right % width) == 0)
        count = y.shape[axis]
        good.narrow(axis, 1, count - 1).logical_and_(same)
        good.narrow(axis, 0, count - 1).logical_and_(same)
    return good[:, None].float()
