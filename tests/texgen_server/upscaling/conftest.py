# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of the upscaler."""

from __future__ import annotations

import pytest

from texgen.modelcard import read_card
from texgen_server.registry import load_model
from texgen_server.upscaling.tiled import (
    TiledUpscaler,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from tests.tiny import write_tiny_upscaler

    folder = tmp_path_factory.mktemp("models") / "upscaler"
    write_tiny_upscaler(folder)
    return load_model(read_card(folder))


@pytest.fixture(scope="module")
def upscaling(model):
    from tests.tiny import UPSCALER_PARAMS
    from texgen_server.backends.torch_backend import TorchBackend

    return TiledUpscaler(TorchBackend(model, "cpu", "f32"), UPSCALER_PARAMS.halo_px, 2)
