# SPDX-License-Identifier: Apache-2.0
"""Distances of a map from the real one: PSNR, SSIM, angle of normals, frozen features."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.training.upscaler.methods import Picture, unit_normal

FEATURE_PX = 512
"""Edge of the pieces in which pictures are compared."""


def compare(name: str, made: Picture, real: Picture) -> dict[str, float]:
    """Return PSNR in dB and SSIM of maps (H, W, C) in [0, 1]; of normals the mean angle too."""
    error = float(np.mean((made - real) ** 2))
    figures = {"psnr_db": min(99.0, -10.0 * np.log10(max(error, 1e-10))), "ssim": ssim(made, real)}
    if name == "normal":
        cosine = ((unit_normal(made) * 2.0 - 1.0) * (unit_normal(real) * 2.0 - 1.0)).sum(-1)
        figures["angle_deg"] = float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))).mean())
    return figures


def ssim(made: Picture, real: Picture, window_px: int = 11, sigma_px: float = 1.5) -> float:
    """Return the structural similarity (Wang et al. 2004) on the torus, mean over channels."""
    x, y = (torch.from_numpy(p.transpose(2, 0, 1)[:, None].copy()) for p in (made, real))
    taps = torch.exp(-((torch.arange(window_px) - window_px // 2) ** 2) / (2 * sigma_px**2))
    kernel = torch.outer(taps, taps)[None, None] / taps.sum() ** 2

    def blur(t: Tensor) -> Tensor:
        return F.conv2d(F.pad(t, (window_px // 2,) * 4, mode="circular"), kernel)

    mx, my = blur(x), blur(y)
    vx, vy, vxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return float(
        (((2 * mx * my + c1) * (2 * vxy + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean()
    )


class FeatureDistance:
    """Distance of pictures in EfficientNet-lite1 features, as LPIPS takes it (Zhang et al. 2018)
    but with every channel weighing the same.

    Features of four depths, made unit at each place; mean of the squared difference over places and
    depths, 0 to 4.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.features = FrozenFeatures("efficientnet-lite1").to(device)

    @torch.inference_mode()
    def __call__(self, made: Picture, real: Picture) -> float:
        """Return the distance of two sRGB pictures (H, W, 3) in [0, 1]."""
        pieces = []
        for top in range(0, made.shape[0], FEATURE_PX):
            for left in range(0, made.shape[1], FEATURE_PX):
                piece = slice(top, top + FEATURE_PX), slice(left, left + FEATURE_PX)
                pieces.append(self._distance(np.stack([p[piece] for p in (made, real)])))
        return float(np.mean(pieces))

    def _distance(self, both: Picture) -> float:
        """Return the distance of the two pictures in (2, h, w, 3)."""
        pictures = torch.from_numpy(both).to(self.device).permute(0, 3, 1, 2)
        units = [F.normalize(tap) for tap in self.features(pictures * 2.0 - 1.0)]
        return sum(float(((u[0] - u[1]) ** 2).sum(0).mean()) for u in units) / len(units)
