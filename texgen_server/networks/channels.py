# SPDX-License-Identifier: Apache-2.0
"""What the channels of the networks hold: shared by the networks and by what feeds them without
torch.
"""

from __future__ import annotations

OUTPUT_CHANNELS = 7
"""Of a material generator: basecolor r, g, b (sRGB), height, roughness, metallic, ambient
occlusion; all in [0, 1].
"""

GUIDE_CHANNELS = OUTPUT_CHANNELS + 1
"""The maps of a coarser pass, from [0, 1] to [-2, 2], and 1 where there are any; zeros where
nothing guides.
"""

MAP_CHANNELS = {"basecolor": 3, "normal": 2, "roughness": 1, "metallic": 1, "height": 1, "ao": 1}
"""Channels of each map in the upscaler, in its order. Basecolor is sRGB; of the normal the slopes
right and down in units of `SLOPE_UNIT`; all others in [0, 1]. A map that is not there is zero.
"""

SLOPE_UNIT = 2.0

ESTIMATED = ("normal", "roughness", "metallic", "height", "ao")
"""The maps that the estimator makes, in its order; channels as in `MAP_CHANNELS`."""

ESTIMATE_PX = 256
"""Shorter edge of the picture that the estimator sees."""
ESTIMATE_MULTIPLE_PX = 16
"""Edges of that picture are multiples of this."""

SCALES = (2, 4)
"""How many times the upscaler enlarges."""

CLEAN_SCALE = 1
"""The scale at which the upscaler's network takes away JPEG blocks and noise and leaves the size.
"""
STOPS = 4.0
"""Panoramas of the network are log2 radiance in units of this."""
