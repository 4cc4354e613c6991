# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.texgen.provenance.test_watermark import texture
from texgen.export.mips import mip_chain
from texgen.files.images import linear_to_srgb, srgb_to_linear


@pytest.mark.parametrize("shape", [(64, 64), (96, 40), (5, 12)])
def test_mips_halve_down_to_one_pixel(shape):
    rng = np.random.default_rng(1)
    levels = mip_chain(rng.integers(0, 256, (*shape, 3)).astype(np.uint8))
    for larger, smaller in itertools.pairwise(levels):
        assert smaller.shape[:2] == tuple(max(1, edge // 2) for edge in larger.shape[:2])
    assert levels[-1].shape == (1, 1, 3)


def test_mips_wrap_around():
    """A shift of the texture by whole pixels of a level shifts the level, so no level has
    a seam.
    """
    pixels = texture(4, edge=64)
    for level, (plain, moved) in enumerate(
        zip(mip_chain(pixels), mip_chain(np.roll(pixels, (16, 32), (0, 1))), strict=True)
    ):
        if level <= 4:
            assert np.array_equal(np.roll(plain, (16 >> level, 32 >> level), (0, 1)), moved)


def test_colour_is_filtered_as_light_and_normals_stay_unit():
    checker = np.zeros((8, 8, 3), np.uint8)
    checker[::2, ::2], checker[1::2, 1::2] = 255, 255
    grey = round(float(linear_to_srgb(np.float32(0.5))) * 255)
    assert abs(int(mip_chain(checker, srgb=True)[-1][0, 0, 0]) - grey) <= 1
    assert abs(int(mip_chain(checker)[-1][0, 0, 0]) - 128) <= 1
    flat = mip_chain(np.full((8, 8, 3), 99, np.uint8), srgb=True)
    assert all(np.all(level == 99) for level in flat)
    assert float(srgb_to_linear(np.float32(1.0))) == 1.0
    rng = np.random.default_rng(2)
    normal = rng.normal(size=(64, 64, 3)) * [0.5, 0.5, 0.1] + [0, 0, 1]
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    for level in mip_chain(np.rint(normal * 127.5 + 127.5).astype(np.uint8), normal=True)[1:]:
        length = np.linalg.norm(level / 127.5 - 1.0, axis=2)
        assert np.all(np.abs(length - 1.0) < 0.02)
