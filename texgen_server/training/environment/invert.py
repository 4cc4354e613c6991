# SPDX-License-Identifier: Apache-2.0
"""Fits a layout to a map that was not trained on: the nearest one that the training maps' layouts
span, which is what the model can represent of its light.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from texgen.render.panorama import harmonics, pixel_directions, solid_angles
from texgen_server.environment.layouts import mirrored
from texgen_server.networks.channels import RADIANCE, SKY, STOPS

Array = NDArray[np.float32]

STEPS, RATE = 100, 0.15
HARMONICS_WEIGHT, PRIOR_WEIGHT = 1.0, 1e-3


@dataclass(frozen=True)
class LayoutBasis:
    """Principal components of the training maps' layouts and their mirror images."""

    mean: Array  # (4, L, 2 L)
    axes: Array  # (K, 4, L, 2 L), each scaled to its deviation


def layout_basis(layouts: Array) -> LayoutBasis:
    """Return the basis of layouts (N, 4, L, 2 L), with N axes."""
    both = np.concatenate([layouts, np.stack([mirrored(layout) for layout in layouts])])
    mean = both.mean(0)
    weights = np.sqrt(solid_angles(mean.shape[1]))[None]
    flat = ((both - mean) * weights).reshape(len(both), -1)
    _, sizes, axes = np.linalg.svd(flat, full_matrices=False)
    strongest = axes[: len(layouts)] * (sizes[: len(layouts), None] / np.sqrt(len(both)))
    return LayoutBasis(mean, (strongest.reshape(-1, *mean.shape) / weights).astype(np.float32))


def fit_layout(layout: Array, basis: LayoutBasis) -> Array:
    """Return the layout (4, L, 2 L) that `STEPS` steps from the mean find: nearest in logarithms,
    cell by cell, and in the first nine harmonics of its light.
    """
    aim, mean, axes = (
        torch.from_numpy(np.ascontiguousarray(a)) for a in (layout, basis.mean, basis.axes)
    )
    weights = torch.from_numpy(solid_angles(layout.shape[1]))
    harmonic = torch.from_numpy(harmonics(pixel_directions(layout.shape[1]))) * weights[..., None]

    def light(stops: torch.Tensor) -> torch.Tensor:
        return torch.einsum("chw,hwk->ck", torch.exp2(stops[RADIANCE] * STOPS), harmonic)

    shares = torch.zeros(len(axes), requires_grad=True)
    optimizer = torch.optim.Adam([shares], RATE)
    aim_light = light(aim)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1.0 - step / STEPS)
        found = mean + torch.einsum("k,kchw->chw", shares, axes)
        cells = ((found - aim).abs() * weights).mean() / weights.mean()
        loss = (
            cells
            + HARMONICS_WEIGHT * (light(found) - aim_light).norm() / aim_light.norm()
            + PRIOR_WEIGHT * shares.square().mean()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    result: Array = (mean + torch.einsum("k,kchw->chw", shares.detach(), axes)).numpy()
    result[SKY] = np.clip(result[SKY], 0.0, 1.0)
    return result
