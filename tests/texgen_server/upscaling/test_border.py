# SPDX-License-Identifier: Apache-2.0
"""Pixels beyond the edges of a picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.texgen_server.upscaling.small import random_maps
from texgen.maps import MapKind
from texgen_server.upscaling.tiled import (
    Border,
)

pytestmark = pytest.mark.torch


def test_borders(upscaling, rng):
    """A wrapped border joins the sides; a mirrored one does not look there."""
    maps = {MapKind.HEIGHT: random_maps(rng)[MapKind.HEIGHT]}
    other = {MapKind.HEIGHT: maps[MapKind.HEIGHT].copy()}
    other[MapKind.HEIGHT][:, -3:] = 65535 - other[MapKind.HEIGHT][:, -3:]
    for border, sees in (
        (Border.WRAP, True),
        (Border.WRAP_X, True),
        (Border.WRAP_Y, False),
        (Border.MIRROR, False),
        (Border.PANORAMA, True),
    ):
        ours = replace(upscaling, border=border)
        changed = not np.array_equal(
            ours.maps(maps)[MapKind.HEIGHT][:, :2], ours.maps(other)[MapKind.HEIGHT][:, :2]
        )
        assert changed is sees, border


def test_over_the_pole_lies_the_other_half_turn(upscaling, rng):
    """Turning a panorama by any angle turns the result, at the poles too."""
    sky = {MapKind.BASECOLOR: rng.integers(0, 256, (32, 64, 3), np.uint8)}
    ours = replace(upscaling, border=Border.PANORAMA)
    plain, turned = (
        ours.maps({MapKind.BASECOLOR: np.roll(sky[MapKind.BASECOLOR], n, 1)})[MapKind.BASECOLOR]
        for n in (0, 13)
    )
    assert np.abs(np.roll(plain, 26, 1).astype(int) - turned.astype(int)).max() <= 1
    opposite = sky[MapKind.BASECOLOR].copy()
    opposite[0, 40] = 255 - opposite[0, 40]
    seen = (
        ours.maps({MapKind.BASECOLOR: opposite})[MapKind.BASECOLOR][:2, 16:18].astype(int)
        - plain[:2, 16:18]
    )
    assert np.abs(seen).max() > 0  # column 8 looks at column 40 over the pole
