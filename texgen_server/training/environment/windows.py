# SPDX-License-Identifier: Apache-2.0
"""Training windows of HDR maps: random columns of a map, at times under the sky of another map of
its class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from texgen_server.environment.layouts import (
    Surroundings,
    conditioning,
    mirrored,
    sides,
    sky_over_ground,
)
from texgen_server.networks.params import EnvironmentParams
from texgen_server.training.environment.data import HdrPack

CROP_PX = 256
"""Width of the windows that are judged."""
MARGIN_PX = 48
"""Columns on each side that are generated and not judged, as they lack their surroundings."""

Array = NDArray[np.float32]


@dataclass
class Windows:
    """A batch of training windows: the network's input, and the maps that it is compared with."""

    real: Tensor  # (B, 3, 512, 256)
    conditioning: list[Tensor]  # of each level, (B, C, rows, columns)
    codes: Tensor  # (B, 2) rows of the codes of sky and ground
    label: Tensor  # (B,) the map, or the index that stands for some member of the class
    group: Tensor  # (B,) class
    own: Tensor  # (B,) 1 where the window is of one map, 0 where the sky is another's

    def to(self, device: torch.device) -> Windows:
        """Return the batch on a device; codes are indices and stay."""
        levels = [level.to(device) for level in self.conditioning]
        label, group = self.label.to(device), self.group.to(device)
        return Windows(self.real.to(device), levels, self.codes, label, group, self.own.to(device))


@dataclass(frozen=True)
class _Window:
    """A training window before stacking."""

    real: Array
    conditioning: list[Array]
    codes: tuple[int, int]
    own: bool


class WindowSampler:
    """A source of training windows; a class counts with the square root of its size."""

    def __init__(
        self,
        pack: HdrPack,
        train: list[int],
        params: EnvironmentParams,
        mixed_share: float,
        random: torch.Generator,
    ) -> None:
        self.pack, self.train_index, self.random = pack, train, random
        self.params, self.mixed_share = params, mixed_share
        names = sorted(set(pack.classes))
        self.group = [names.index(c) for c in pack.classes]
        """Class of each map, as a row among the class names."""
        counts = np.bincount([self.group[i] for i in train], minlength=len(names))
        self._weights = torch.tensor([float(counts[self.group[i]]) ** -0.5 for i in train])

    def windows(self, count: int) -> Windows:
        """Take ``count`` random windows."""
        rows = torch.multinomial(self._weights, count, replacement=True, generator=self.random)
        chosen = [self.train_index[row] for row in rows.tolist()]
        found = [self._window(index) for index in chosen]
        levels = [
            torch.from_numpy(np.stack(level)).contiguous(memory_format=torch.channels_last)
            for level in zip(*(w.conditioning for w in found), strict=True)
        ]
        mixed_label = len(self.pack.assets)
        labels = [i if w.own else mixed_label for i, w in zip(chosen, found, strict=True)]
        return Windows(
            torch.from_numpy(np.stack([w.real for w in found])),
            levels,
            torch.tensor([w.codes for w in found]),
            torch.tensor(labels),
            torch.tensor([self.group[i] for i in chosen]),
            torch.tensor([float(w.own) for w in found]),
        )

    def _window(self, index: int) -> _Window:
        rows = self.params.layout_rows
        shares = torch.tensor([self.mixed_share, 0.5, 0.5])
        mixed, flip, flip_sky = (torch.rand(3, generator=self.random) < shares).tolist()
        other = self._partner(index) if mixed else index
        first = int(torch.randint(2 * rows, (1,), generator=self.random))
        below = surroundings(self.pack, index, flip=flip)
        above = surroundings(self.pack, other, flip=flip_sky if mixed else flip)
        layout = below.layout
        if mixed:
            turn = float(torch.rand(1, generator=self.random))
            layout = sky_over_ground(above, below, sides(turn, 2 * rows))
        levels = [
            self._columns(conditioning(layout, above.light, rows * 2**i), first)
            for i in range(len(self.params.widths))
        ]
        return _Window(self._real(index, first, flip=flip), levels, (other, index), not mixed)

    def _real(self, index: int, first: int, *, flip: bool) -> Array:
        """Return the judged columns of a map, from a column of its layout on."""
        stops = mirrored(self.pack.stops[index]) if flip else self.pack.stops[index]
        start = first * (stops.shape[1] // self.params.layout_rows) + MARGIN_PX
        return stops[:, :, (np.arange(CROP_PX) + start) % stops.shape[2]].astype(np.float32)

    def _columns(self, level: Array, first: int) -> Array:
        """Return the columns of a level that are generated, from a column of the layout on."""
        rows = level.shape[1]
        count = (CROP_PX + 2 * MARGIN_PX) * rows // self.params.rows
        start = first * (rows // self.params.layout_rows)
        return level[:, :, (np.arange(count) + start) % level.shape[2]]

    def _partner(self, index: int) -> int:
        """Pick a map of the same class."""
        same = [i for i in self.train_index if self.group[i] == self.group[index]]
        return same[int(torch.randint(len(same), (1,), generator=self.random))]


def surroundings(pack: HdrPack, index: int, *, flip: bool) -> Surroundings:
    """Return layout, sky and brightest light of one map of a pack, mirrored if asked for."""
    first = pack.lights[index][0] if pack.lights[index] else None
    place = Surroundings(
        pack.layouts[index], pack.skies[index], (0.0, first.elevation_deg) if first else None
    )
    return place.mirrored() if flip else place
