# SPDX-License-Identifier: Apache-2.0
"""Noise: a function of seed and place alone."""

from __future__ import annotations

import numpy as np
import pytest

from texgen_server.noise import gaussian_field, uniforms


def noise(seed, level, channels, rows, columns, top=0, left=0):
    return gaussian_field(
        seed, level, channels, np.arange(top, top + rows), np.arange(left, left + columns)
    )


def test_noise_is_standard_and_independent_of_the_canvas():
    small, large = noise(9, 2, 3, 16, 24), noise(9, 2, 3, 32, 64)
    assert np.array_equal(large[:, :16, :24], small)
    assert np.array_equal(noise(9, 2, 3, 8, 8, -4, -4)[:, 4:, 4:], small[:, :4, :4])
    field = noise(1, 0, 1, 256, 256)[0]
    assert abs(field.mean()) < 0.02
    assert abs(field.std() - 1) < 0.02
    assert abs(np.corrcoef(field[:, :-1].ravel(), field[:, 1:].ravel())[0, 1]) < 0.02
    assert not np.array_equal(noise(9, 3, 3, 16, 24), small)
    assert not np.array_equal(noise(10, 2, 3, 16, 24), small)


GOLDEN_NOISE = [-1.323695, -0.885569, -0.176846]


GOLDEN_UNIFORMS = [0.48569092821941084, 0.2542261485367594]


def test_noise_is_the_same_for_ever():
    """Recipes name textures: this value must not change without a new format of recipes."""
    assert noise(2**64 - 1, 0, 1, 1, 3)[0, 0].tolist() == pytest.approx(GOLDEN_NOISE, abs=1e-6)
    assert uniforms(7, 1, 2).tolist() == pytest.approx(GOLDEN_UNIFORMS, abs=1e-12)
