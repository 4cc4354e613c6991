# SPDX-License-Identifier: Apache-2.0
"""The photograph of a capture: prepared, and as the statistics that a material is compared by."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen_server.networks.frozen_features import FrozenFeatures
from texgen_server.networks.image_statistics import radial_spectrum, tap_moments, tap_statistics

Array = NDArray[np.float32]

WORK_PX = 192
"""Edge at which photograph and candidate are compared."""
GREY_CHROMA = 0.003
"""Mean spread of the colour channels below which a photograph counts as grey."""


def is_grey(photo: Array) -> bool:
    """Return True for a photograph (H, W, 3) in [0, 1] that was taken without colour. (Concrete in
    colour is not grey in this sense.)
    """
    return bool((photo.max(-1) - photo.min(-1)).mean() < GREY_CHROMA)


def colourise(photo: Array, palette: tuple[tuple[float, float, float], ...]) -> Array:
    """Map the lightness of a (H, W, 3) photograph onto colours, darkest first."""
    light = photo.mean(-1)
    places = np.linspace(0.0, 1.0, len(palette))
    low, high = np.quantile(light, (0.02, 0.98))
    unit = np.clip((light - low) / max(1e-3, float(high - low)), 0.0, 1.0)
    return np.stack(
        [np.interp(unit, places, [color[i] for color in palette]) for i in range(3)], -1
    ).astype(np.float32)


class Target:
    """Statistics of a photograph's basecolor."""

    def __init__(self, features: FrozenFeatures, picture: Array, *, grey: bool) -> None:
        image = torch.from_numpy(picture.transpose(2, 0, 1)[None].copy())
        self.grey = grey
        self.mean, self.deviation = image.mean((0, 2, 3)), image.std((0, 2, 3))
        with torch.no_grad():
            taps = features(features_input(image, grey=grey))
            self.statistics = tap_statistics(taps)
            self.moments = tap_moments(taps)[0]
        self.spectrum = luminance_spectrum(image)


def features_input(image: Tensor, *, grey: bool) -> Tensor:
    """Turn (B, 3, H, W) in [0, 1] into the features' input, without colour if ``grey``."""
    if grey:
        image = image.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    return image * 2.0 - 1.0


def luminance_spectrum(image: Tensor) -> Tensor:
    """Compute the radial spectrum of luminance: (B, 3, H, W) -> (B, 1, rings)."""
    return radial_spectrum(image.mean(1, keepdim=True))


def working_square(photo: Array) -> Array:
    """Cut the middle square out of (H, W, 3), averaged (or enlarged) to `WORK_PX`."""
    height, width = photo.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    cut = torch.from_numpy(
        photo[top : top + edge, left : left + edge].transpose(2, 0, 1)[None].copy()
    )
    small = F.interpolate(
        cut, (WORK_PX, WORK_PX), mode="bilinear", align_corners=False, antialias=True
    )
    return small[0].permute(1, 2, 0).numpy()


def tinted(photo: Array, color: Array) -> Array:
    """Give a grey photograph the hue of a colour; its lightness stays."""
    light = photo.mean(-1, keepdims=True)
    tinted: Array = np.clip(light * (color / max(1e-3, float(color.mean()))), 0.0, 1.0).astype(
        np.float32
    )
    return tinted
