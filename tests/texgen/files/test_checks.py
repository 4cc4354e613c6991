# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.texgen.files.maps import eight, normal_of, waves
from texgen.files.checks import check_picture, tileability
from texgen.files.picture import PictureFile


def convention(normal):
    picture = PictureFile(Path("a_normal.png"), eight(normal * 0.5 + 0.5))
    return check_picture("normal", picture).facts["convention"]


@pytest.mark.parametrize("seed", range(20))
def test_what_tiles_is_not_blamed_and_what_does_not_is(seed):
    assert tileability(eight(waves(seed=seed))) > 0.8
    rolled = np.roll(waves(seed=seed), (31, 57), (0, 1))
    assert tileability(eight(rolled)) > 0.8
    assert tileability(eight(waves(seed=seed, periods=(0.7, 1.3, 2.4)))) < 0.8


def test_noise_tiles_as_well_as_anything():
    assert (
        tileability(np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)) > 0.8
    )
    assert tileability(np.full((8, 8, 1), 7, np.uint8)) == 1.0


@pytest.mark.parametrize("seed", range(10))
def test_the_convention_is_told_from_the_normals_alone(seed):
    relief = waves(seed=seed)
    assert convention(normal_of(relief)) == "OpenGL"
    assert convention(normal_of(relief, green=-1.0)) == "DirectX"
    assert convention(np.dstack([np.zeros((8, 8)), np.zeros((8, 8)), np.ones((8, 8))])) == "unclear"
