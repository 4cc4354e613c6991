# SPDX-License-Identifier: Apache-2.0
"""The photograph of a capture."""

from __future__ import annotations

import numpy as np
import pytest

from texgen_server.capture.target import WORK_PX, colourise, is_grey, tinted, working_square


def test_grey_is_a_photograph_without_colour_not_one_of_grey_things(rng):
    light = rng.random((32, 32, 1)).astype(np.float32)
    assert is_grey(np.repeat(light, 3, 2))
    concrete = np.repeat(light, 3, 2) * np.array([1.0, 0.98, 0.95], np.float32)
    assert not is_grey(concrete)


def test_lightness_is_mapped_onto_a_palette_darkest_first():
    ramp = np.repeat(np.linspace(0.0, 1.0, 64, dtype=np.float32)[None, :, None], 3, 2)
    dark, light = (0.1, 0.0, 0.2), (1.0, 0.8, 0.0)
    coloured = colourise(np.repeat(ramp, 8, 0), (dark, light))
    assert coloured[0, 0] == pytest.approx(dark)
    assert coloured[0, -1] == pytest.approx(light)
    assert (np.diff(coloured[0, :, 0]) >= 0).all()


def test_a_tint_keeps_the_lightness(rng):
    photo = np.repeat(rng.random((16, 16, 1)).astype(np.float32) * 0.5, 3, 2)
    color = np.array([0.6, 0.4, 0.2], np.float32)
    assert np.allclose(tinted(photo, color).mean(-1), photo.mean(-1), atol=1e-6)


def test_the_middle_square_is_taken():
    photo = np.zeros((200, 500, 3), np.float32)
    photo[:, 150:350] = 1.0
    square = working_square(photo)
    assert square.shape == (WORK_PX, WORK_PX, 3)
    assert square.min() == pytest.approx(1.0)
