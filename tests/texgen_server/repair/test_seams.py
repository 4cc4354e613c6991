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


def test_every_pixel_comes_from_the_picture(rng):
    """Of random noise, where nothing blends unseen, all but the borders are pixels of the
    original.
    """
    noise = rng.permutation(90 * 100).reshape(90, 100, 1).astype(np.uint16)
    made = make_tileable({MapKind.HEIGHT: noise}, (True, True))[MapKind.HEIGHT]
    neighbours = (np.diff(noise[..., 0].astype(int), axis=1)[None, :, :]).ravel()
    assert np.isin(np.diff(made[..., 0].astype(int), axis=1), neighbours).mean() > 0.85


def test_a_large_picture_is_fitted_to_the_pixel(rng):
    """Stripes 7 px wide, in a picture that is shrunk for the choice: a strip a pixel off would
    show.
    """
    columns = np.arange(1100)
    stripes = np.where(columns // 7 % 2, 60, 200).astype(np.uint8)
    picture = np.broadcast_to(stripes[None, :, None], (1060, 1100, 1)) + rng.integers(
        0, 6, (1060, 1100, 1)
    ).astype(np.uint8)
    made = (
        make_tileable({MapKind.ROUGHNESS: picture}, (False, True))[MapKind.ROUGHNESS][..., 0] > 130
    )
    widths = np.concatenate([np.diff(np.nonzero(row != np.roll(row, 1))[0]) for row in made[::100]])
    assert len(widths) > 1500
    assert (widths == 7).mean() > 0.95


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
