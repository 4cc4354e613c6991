# SPDX-License-Identifier: Apache-2.0
"""The mask of the sky, and the sky behind what stands before it."""

from __future__ import annotations

import numpy as np

from tests.texgen_server.training.environment.toys import clear_day
from texgen.render.panorama import pixel_angles
from texgen_server.training.environment.sky import filled_sky, sky_mask


def test_the_sky_is_what_is_above_and_not_the_wall():
    mask = sky_mask(clear_day(128))
    _, elevation = pixel_angles(128)
    assert mask[elevation > 35].all()
    assert not mask[elevation < -2].any()
    assert not mask[(elevation > 5) & (elevation < 25)][:, 36:60].any()
    colors = np.where(mask, 1.0, -1.0)[None].astype(np.float32)
    assert (filled_sky(colors, mask.astype(np.float32)) > 0.99).all()
