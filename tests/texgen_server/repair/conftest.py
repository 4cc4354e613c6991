# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of repair."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.repair.pictures import blobs
from texgen.maps import MapKind
from texgen.modelcard import find_card
from texgen_server.registry import load_model


@pytest.fixture
def crop(rng):
    color = blobs(rng)
    return {MapKind.BASECOLOR: color, MapKind.HEIGHT: color[..., :1].astype(np.uint16) * 257}


@pytest.fixture(scope="module")
def model(models):
    return load_model(find_card("estimator", models))


@pytest.fixture(scope="module")
def estimator(model):
    from texgen_server.backends.torch_backend import TorchBackend

    return TorchBackend(model, "cpu", "f32")
