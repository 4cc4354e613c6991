# SPDX-License-Identifier: Apache-2.0
"""Random crops of training materials, and for each material another one of its class."""

from __future__ import annotations

import torch
from torch import Tensor

from texgen_server.training.material.data import Batch, Pack


class CropSampler:
    """A source of training crops; a class counts with the square root of its size."""

    def __init__(self, pack: Pack, train: list[int], random: torch.Generator) -> None:
        self.pack, self.random = pack, random
        self.train_index = torch.tensor(train)
        names = sorted(set(pack.classes))
        self.group = torch.tensor([names.index(c) for c in pack.classes])
        """(materials,) class of each material of the pack, as a row among its class names."""
        group = self.group[self.train_index]
        count = torch.bincount(group, minlength=int(self.group.max()) + 1).float()
        self._weight = count[group].rsqrt()

    def crops(self, count: int, density: int, size_px: int) -> Batch:
        """Cut ``count`` crops of materials that resolve a density (px per tile)."""
        weight = self._weight * self.pack.resolves(density)[self.train_index]
        chosen = torch.multinomial(weight, count, replacement=True, generator=self.random)
        return self.pack.crop(self.train_index[chosen], density, size_px, self.random)

    def partners(self, index: Tensor) -> Tensor:
        """Return for each material another one of its class, or itself in a class of one."""
        same = self.group[index][:, None] == self.group[self.train_index][None]
        return self.train_index[torch.multinomial(same.float(), 1, generator=self.random)[:, 0]]
