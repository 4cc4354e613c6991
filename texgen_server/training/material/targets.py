# SPDX-License-Identifier: Apache-2.0
"""Target statistics of every material's images, at each size and density: measured on its scan when
first needed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.training.discriminator import make_views
from texgen_server.training.material.data import Batch, Pack
from texgen_server.training.material.losses import StatisticsTarget, texture_statistics

WINDOW_MARGIN_PX = 16
"""Border of a window of a larger field that is not judged, as the window is generated on a torus of
its own.
"""
CROPS = 4
"""Crops of each material that are averaged over."""


class Targets:
    """Targets for frozen features and for pixels, of all materials of a pack."""

    def __init__(self, pack: Pack, features: FrozenFeatures, device: torch.device) -> None:
        self.pack, self.features, self.device = pack, features, device
        self.relief = pack.relief.to(device)
        self._known: dict[tuple[int, int], tuple[StatisticsTarget, Tensor]] = {}

    @torch.no_grad()
    def of(self, size_px: int, density: int) -> tuple[StatisticsTarget, Tensor]:
        """Return the statistics' target, and means and deviations of each map (2, materials, 7);
        zeros for materials without that density.
        """
        key = (size_px, density)
        if key not in self._known:
            generator = torch.Generator().manual_seed(1)
            known = self.pack.resolves(density)
            samples, pixels = zip(
                *(self._measured(size_px, density, known, generator) for _ in range(CROPS)),
                strict=True,
            )
            target = StatisticsTarget.from_samples(list(samples), known)
            self._known[key] = (target, _scattered(torch.stack(pixels).mean(0), known, 1))
        return self._known[key]

    def _measured(
        self, size_px: int, density: int, known: Tensor, generator: torch.Generator
    ) -> tuple[list[Tensor], Tensor]:
        """Measure one crop of every known material."""
        parts, moments = [], []
        for index in torch.nonzero(known)[:, 0].split(16):
            batch = self.pack.crop(index, density, size_px, generator)
            maps = judged_part(batch.maps.to(self.device), batch)
            parts.append(
                texture_statistics(
                    self.features(torch.cat(make_views(maps, self.relief[index] * density)))
                )
            )
            moments.append(torch.stack([maps.mean((2, 3)), maps.std((2, 3))]))
        return [torch.cat(column) for column in zip(*parts, strict=True)], torch.cat(moments, 1)


def judged_part(maps: Tensor, batch: Batch) -> Tensor:
    """Return images of a batch without the border of a window that its own wrap-around touches."""
    m = WINDOW_MARGIN_PX
    return maps if batch.extent_tiles == 1.0 else maps[..., m:-m, m:-m]


def _scattered(rows: Tensor, known: Tensor, axis: int) -> Tensor:
    """Return rows of the known materials as rows of all, zero for the others."""
    shape = list(rows.shape)
    shape[axis] = len(known)
    return torch.zeros(shape, dtype=rows.dtype, device=rows.device).index_copy(
        axis, torch.nonzero(known)[:, 0].to(rows.device), rows
    )
