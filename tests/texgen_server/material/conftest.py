# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of materials."""

from __future__ import annotations

import pytest

from tests.texgen_server.material.plans import painted_at
from texgen_server.material.synthesis import Synthesis
from texgen_server.registry import load_material


@pytest.fixture(scope="module")
def model(card):
    return load_material(card)


@pytest.fixture(scope="module")
def synthesis(model):
    from texgen_server.backends.torch_backend import TorchBackend

    return Synthesis(TorchBackend(model, "cpu", "f32"), model.shape)


@pytest.fixture(scope="module")
def painted(card):
    return painted_at(card, 128.0)
