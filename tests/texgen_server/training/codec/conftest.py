# SPDX-License-Identifier: Apache-2.0
"""Toy pictures, their block transform, and codecs that start from it."""

from __future__ import annotations

import pytest
import torch

from tests.texgen_server.training.codec.toys import PARAMS, noisy_pictures
from texgen_server.networks.codec import Codec
from texgen_server.training.codec.pixels import PictureSet
from texgen_server.training.codec.transform import fit_transform


@pytest.fixture(scope="package")
def pictures():
    return PictureSet(noisy_pictures(3), torch.device("cpu"))


@pytest.fixture(scope="package")
def transform(pictures):
    return fit_transform(pictures, [0, 1, 2], PARAMS.latents)


@pytest.fixture
def codec(transform):
    torch.manual_seed(0)
    return Codec(PARAMS, transform.basis, transform.deviations)
