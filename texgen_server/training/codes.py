# SPDX-License-Identifier: Apache-2.0
"""Codes: what the network knows of each training material, before training and after."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.frozen_features import TAP_CHANNELS


class Codes(nn.Module):
    """One learned code per training material; `Trainer.measure_codes` gives it a start worth
    having.
    """

    def __init__(self, materials: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(materials, dim) * 0.5)


def initial_codes(
    statistics: list[Tensor], pixels: Tensor, log_relief: Tensor, train: Tensor, dim: int
) -> Tensor:
    """Codes measured from the materials themselves, so that what is learned on one material serves
    its neighbours at once.

    The first 15 numbers are the mean and deviation of each map and the logarithm of the relief, the
    others the principal components of the frozen features' means and deviations. Fitted on the
    ``train`` rows only; all rows are projected. (N, dim)
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
