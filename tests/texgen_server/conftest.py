# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the server's tests."""

from __future__ import annotations

import shutil

import pytest

from texgen.client import Client
from texgen_server.config import ServerConfig
from texgen_server.registry import load_material
from texgen_server.rpc.server import EmbeddedServer


@pytest.fixture
def own(models, tmp_path):
    """A server over a folder of models that may change."""
    shutil.copytree(models, tmp_path / "models")
    with (
        EmbeddedServer(
            ServerConfig(port=0, models=tmp_path / "models", device="torch", grace_s=0.5)
        ) as server,
        Client(server.address) as client,
    ):
        yield client, tmp_path / "models"


@pytest.fixture(scope="module")
def model(card):
    return load_material(card)
