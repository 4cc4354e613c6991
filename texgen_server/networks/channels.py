# SPDX-License-Identifier: Apache-2.0
"""Names of the networks' channels: shared by the networks and by the code that feeds them without
torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

BASECOLOR, HEIGHT, ROUGHNESS, METALLIC, AO = slice(0, 3), 3, 4, 5, 6
"""Channels of a material generator's output, all in [0, 1]; basecolor is sRGB."""
OUTPUT_CHANNELS = 7
"""Number of channels of a material generator's output."""
RELIEF_CHANNELS = [HEIGHT, AO]
"""Channels of that output that follow the relief."""

GUIDE_CHANNELS = OUTPUT_CHANNELS + 1
"""Number of channels of a guide: the maps of a coarser pass, from [0, 1] to [-2, 2], and 1 where
there are any; zeros where there is no guide.
"""

SKY = 3
"""Channel of a small panorama, and of an environment's conditioning, with the share of sky; the
three before it are log2 radiance of red, green and blue.
"""
RADIANCE = slice(0, 3)

MAP_CHANNELS = {"basecolor": 3, "normal": 2, "roughness": 1, "metallic": 1, "height": 1, "ao": 1}
"""Map -> number of its channels in the upscaler, in its order. Basecolor is sRGB; normal holds the
slopes to the right and down in units of `SLOPE_UNIT`; all others are in [0, 1]. A missing map is
zero.
"""

SLOPE_UNIT = 2.0

ESTIMATED = ("normal", "roughness", "metallic", "height", "ao")
"""Maps that the estimator makes, in its order; channels as in `MAP_CHANNELS`."""

ESTIMATE_PX = 256
"""Shorter edge of the estimator's input."""
ESTIMATE_MULTIPLE_PX = 16
"""Factor that divides both edges of the estimator's input."""

SCALES = (2, 4)
"""Scales of the upscaler."""

CLEAN_SCALE = 1
"""Scale at which the upscaler's network removes JPEG blocks and noise and keeps the size."""
STOPS = 4.0
"""Unit of the log2 radiance in panoramas of the network."""


class _Sliceable(Protocol):
    def __getitem__(self, key: Any, /) -> Any: ...


Planes = TypeVar("Planes", bound=_Sliceable)


def channel_slices(names: Iterable[str] = tuple(MAP_CHANNELS)) -> dict[str, slice]:
    """Return map -> its channels, where the maps of ``names`` follow each other as in
    `MAP_CHANNELS`.
    """
    slices, first = {}, 0
    for name in names:
        slices[name] = slice(first, first + MAP_CHANNELS[name])
        first += MAP_CHANNELS[name]
    return slices


def split_channels(
    planes: Planes, names: Iterable[str] = tuple(MAP_CHANNELS), axis: int = 0
) -> dict[str, Planes]:
    """Split an array or a tensor into views of each map, along its channel ``axis``."""
    before = (slice(None),) * axis
    return {name: planes[(*before, part)] for name, part in channel_slices(names).items()}
