# SPDX-License-Identifier: Apache-2.0
"""Fits the Karhunen-Loeve transform of 8 x 8 px blocks over all nine channels, from which the codec
starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from texgen_server.networks.codec import CELL_PX, CHANNEL_WEIGHTS, MAPS
from texgen_server.training.codec.pixels import PictureSet, turn

CROPS_EACH = 24
CROP_PX = 64


@dataclass(frozen=True)
class Transform:
    """Orthonormal rows in the weighted domain, strongest first, and the deviations of their
    coefficients.
    """

    basis: Tensor  # (n, 9, 8, 8)
    deviations: Tensor  # (n,)

    def save(self, path: Path) -> None:
        """Write to a safetensors file."""
        save_file(
            {"basis": self.basis.contiguous(), "deviations": self.deviations.contiguous()}, path
        )

    @classmethod
    def load(cls, path: Path) -> Transform:
        """Read what `save` wrote."""
        tensors = load_file(path)
        return cls(tensors["basis"], tensors["deviations"])


def fit_transform(pictures: PictureSet, rows: list[int], latents: int, seed: int = 0) -> Transform:
    """Return the principal components of blocks of the given pictures, each picture counting the
    same, turned in all eight ways.
    """
    random = torch.Generator(pictures.device).manual_seed(seed)
    weights = torch.tensor(CHANNEL_WEIGHTS, device=pictures.device).view(1, -1, 1, 1)
    size = MAPS * CELL_PX**2
    total, count = torch.zeros(size, size, dtype=torch.float64, device=pictures.device), 0
    for row in rows:
        which = torch.full((CROPS_EACH,), row, device=pictures.device)
        crops = pictures.crops(which, pictures.corners(which, CROP_PX, 1, random), CROP_PX)
        for code in range(8):
            part = turn(crops[code::8], code) * weights
            blocks = (
                torch.nn.functional.unfold(part, CELL_PX, stride=CELL_PX)
                .transpose(1, 2)
                .reshape(-1, size)
            )
            total += (blocks.T @ blocks).double()
            count += len(blocks)
    values, vectors = torch.linalg.eigh(total / count)
    strongest = torch.arange(size - 1, size - 1 - latents, -1, device=pictures.device)
    basis = vectors[:, strongest].T.reshape(latents, MAPS, CELL_PX, CELL_PX)
    return Transform(basis.float().cpu(), values[strongest].clamp_min(1e-8).sqrt().float().cpu())
