# SPDX-License-Identifier: Apache-2.0
"""What making tileable keeps and what it closes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from texgen.maps import MapKind
from texgen_server.repair.seam_detection import seam_axes
from texgen_server.repair.seams import make_tileable


@pytest.mark.parametrize("axes", [(True, True), (True, False), (False, True)])
def test_the_seams_that_were_asked_for_close(crop, axes):
    made = make_tileable(crop, axes)
    assert {k: (v.shape, v.dtype) for k, v in made.items()} == {
        k: (v.shape, v.dtype) for k, v in crop.items()
    }
    assert seam_axes(made) == tuple(
        before and not asked for before, asked in zip((True, True), axes, strict=True)
    )


def test_all_maps_are_cut_alike_and_most_of_each_stays(crop):
    made = make_tileable(crop, (True, True))
    color, height = made[MapKind.BASECOLOR], made[MapKind.HEIGHT]
    same = (color == crop[MapKind.BASECOLOR]).all(2)
    assert same.mean() > 0.5
    whole = color[..., :1].astype(np.uint16) * 257
    assert np.abs(height.astype(int) - whole).max() <= 257


def test_normals_stay_unit(rng, crop):
    height = ndimage.gaussian_filter(rng.random((90, 110)), 4) * 40
    down, right = np.gradient(height)
    normal = np.stack([-right, down, np.ones_like(right)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    made = make_tileable(
        {MapKind.NORMAL: np.round((normal * 0.5 + 0.5) * 255).astype(np.uint8)}, (True, True)
    )[MapKind.NORMAL]
    lengths = np.linalg.norm(made.astype(float) / 255 * 2 - 1, axis=-1)
    assert np.abs(lengths - 1).max() < 0.02
