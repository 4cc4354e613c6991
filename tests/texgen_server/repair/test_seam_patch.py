# SPDX-License-Identifier: Apache-2.0
"""Strips laid over a seam."""

from __future__ import annotations

import numpy as np

from texgen.maps import MapKind
from texgen_server.repair.seams import make_tileable


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
