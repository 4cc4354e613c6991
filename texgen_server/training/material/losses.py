# SPDX-License-Identifier: Apache-2.0
"""Losses of the material GAN.

Images are (B, 7, H, W) in [0, 1]; taps come from `FrozenFeatures`, both views stacked.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.channels import BASECOLOR, HEIGHT
from texgen_server.networks.image_statistics import radial_spectrum, tap_statistics
from texgen_server.training.discriminator import VIEWS


def texture_statistics(taps: list[Tensor]) -> list[Tensor]:
    """Return the statistics of both views together, a list of (B, n), for taps (2B, C, h, w) with
    the views stacked along the batch.
    """
    return tap_statistics([torch.cat(tap.float().chunk(VIEWS), 1) for tap in taps])


@dataclass(frozen=True)
class StatisticsTarget:
    """Target statistics of each material, at one density and crop size."""

    mean: list[Tensor]  # each (materials, n)
    scale: list[Tensor]  # each (1, n): deviation between materials

    @classmethod
    def from_samples(cls, samples: list[list[Tensor]], known: Tensor) -> StatisticsTarget:
        """Average over several crops of every known material; ``known`` (materials,) marks the
        known ones among all.
        """
        mean = [torch.stack(values).mean(0) for values in zip(*samples, strict=True)]
        scale = [m.std(0, keepdim=True).clamp_min(float(m.std()) * 0.05) for m in mean]
        rows = torch.nonzero(known)[:, 0].to(mean[0].device)
        return cls(
            [
                torch.zeros(len(known), m.shape[1], device=m.device).index_copy(0, rows, m)
                for m in mean
            ],
            scale,
        )

    def of(self, index: Tensor) -> list[Tensor]:
        """Return the statistics of some materials, each (B, n)."""
        return [mean[index] for mean in self.mean]

    def distance(self, statistics: list[Tensor], aim: list[Tensor], weight: Tensor) -> Tensor:
        """Return the mean absolute deviation in units of ``scale``, clipped at 5; ``weight`` (B,)
        switches images off.
        """
        terms = []
        for value, target, scale in zip(statistics, aim, self.scale, strict=True):
            terms.append((((value - target) / scale).abs().clamp_max(5.0).mean(1) * weight).mean())
        return torch.stack(terms).mean()


def pixel_statistics(maps: Tensor, means: Tensor, deviations: Tensor, weight: Tensor) -> Tensor:
    """Compare each map's mean and deviation with the material's own (B, 7)."""
    mean_error = (maps.mean((2, 3)) - means).abs().mean(1) * 24.0
    deviation_error = ((maps.std((2, 3)) - deviations).abs() / (deviations + 0.02)).clamp_max(
        3.0
    ).mean(1) * 0.5
    return ((mean_error + deviation_error) * weight).mean()


def map_spectra(maps: Tensor) -> Tensor:
    """Return the radial spectra (B, 2, rings) of luminance and height of maps (B, 7, S, S)."""
    luminance = maps[:, BASECOLOR].mean(1, keepdim=True)
    return radial_spectrum(torch.cat([luminance, maps[:, HEIGHT, None]], 1))


def layout_error(maps: Tensor, layout: Tensor, strength: Tensor, weight: Tensor) -> Tensor:
    """Return the distance of grid-averaged maps from the material's regular part.

    ``layout`` (B, 5, h, w) is in units of deviations and ``strength`` (B, 5) says how much of the
    variance it explains: only the component along the layout is judged, so everything irregular
    stays free.
    """
    small = F.adaptive_avg_pool2d(maps[:, :5], (layout.shape[-2], layout.shape[-1]))
    centred = small - small.mean((2, 3), keepdim=True)
    unit = centred / centred.std((2, 3), keepdim=True).clamp_min(0.01)
    energy = layout.square().mean((2, 3))
    along = (unit * layout).mean((2, 3)) / energy.clamp_min(
        1e-3
    )  # 1 where the layout is reproduced in full
    return (((1.0 - along).clamp(0.0, 2.0) * strength).mean(1) * weight).mean()
