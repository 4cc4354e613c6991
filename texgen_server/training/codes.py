# SPDX-License-Identifier: Apache-2.0
"""Codes: one learned vector for each training material, and their start from measurements."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.frozen_features import TAP_CHANNELS


class Codes(nn.Module):
    """A learned code for each training material; `MaterialTrainer.measure_codes` measures their
    start.
    """

    def __init__(self, materials: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(materials, dim) * 0.5)


def initial_codes(
    statistics: list[Tensor], pixels: Tensor, log_relief: Tensor, train: Tensor, dim: int
) -> Tensor:
    """Return codes (N, dim) measured from the materials themselves, so that learning on one
    material helps similar ones at once.

    The first 15 numbers are the mean and deviation of each map and the logarithm of the relief, the
    others the principal components of the frozen features' means and deviations. They are fitted on
    the ``train`` rows only; all rows are projected.
    """
    direct = torch.cat([pixels[0], pixels[1], log_relief[:, None]], 1)
    direct = (direct - direct[train].mean(0)) / direct[train].std(0).clamp_min(1e-3)
    moments = [s for s in statistics if s.shape[1] <= 2 * max(TAP_CHANNELS)]
    features = torch.cat([(m - m[train].mean(0)) / m[train].std() for m in moments], 1)
    _, _, axes = torch.linalg.svd(features[train], full_matrices=False)
    scores = features @ axes[: dim - direct.shape[1]].T
    scores = scores / scores[train].std(0).sqrt()
    scores = F.pad(
        scores / scores[train].std(), (0, dim - direct.shape[1] - scores.shape[1])
    )  # fewer materials than numbers
    return 0.5 * torch.cat([direct, scores], 1).clamp(-4.0, 4.0)
