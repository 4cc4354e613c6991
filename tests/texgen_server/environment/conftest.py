# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of environments."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.environment.panoramas import RAW
from texgen import find_card
from texgen.files.images import decode
from texgen_server.registry import load_model


@pytest.fixture(scope="module")
def environment_card(models):
    return find_card("environment", models)


@pytest.fixture(scope="module")
def tables(environment_card):
    return load_model(environment_card).tables


@pytest.fixture
def make(client):
    """Class, controls -> (environment, radiance)."""

    def made(name="outdoor_clear", seed=3, width_px=256, **controls):
        environment = client.generate_environment(
            name, seed=seed, width_px=width_px, controls=controls, **RAW
        )
        return environment, np.asarray(decode(environment.panorama), np.float32)

    return made
