# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np

from texgen_server.networks.waves import layout_field, sample_places
from texgen_server.training.material.layout_fit import fit_layout


def bricks(rng, size=256, courses=8, noise=0.05):
    """Running bond: joints in rows, every other course shifted by half a brick."""
    y, x = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    course = y * courses // size
    across = (x + np.where(course % 2, size // 8, 0)) % (size // 4)
    joint = ((y % (size // courses)) < 4) | (across < 4)
    height = np.where(joint, 0.2, 0.8)
    maps = np.stack([height * 0.6, height * 0.4, height * 0.3, height, 1 - height])
    return (maps + rng.normal(0, noise, maps.shape)).astype(np.float32)


def test_the_regular_part_of_bricks_is_found(rng):
    maps = bricks(rng)
    waves, amplitudes = fit_layout(maps)
    places = sample_places(np.zeros(1), 1.0, 256)
    field = layout_field(
        waves[None].astype(np.float32), amplitudes[None], places, places, (1 / 256, 1 / 256)
    )[0]
    for channel in range(5):
        assert np.corrcoef(field[channel].ravel(), maps[channel].ravel())[0, 1] > 0.75


def test_noise_has_next_to_no_layout(rng):
    maps = rng.normal(0.5, 0.1, (5, 256, 256)).astype(np.float32)
    _, amplitudes = fit_layout(maps)
    assert (np.abs(amplitudes) ** 2).sum() / 2 < 0.05


def test_a_flat_channel_is_no_problem():
    waves, amplitudes = fit_layout(np.full((5, 64, 64), 0.5, np.float32))
    assert not amplitudes.any()
    assert not waves.any()
