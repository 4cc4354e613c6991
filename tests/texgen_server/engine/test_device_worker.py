# SPDX-License-Identifier: Apache-2.0
"""A device and its models."""

from __future__ import annotations

from tests.tiny import write_tiny_model
from texgen_server.config import ServerConfig
from texgen_server.engine.local import LocalEngine


def test_models_that_nobody_uses_make_room(models, tmp_path):
    for name in ("a", "b", "c"):
        write_tiny_model(tmp_path / name)
    engine = LocalEngine(ServerConfig(models=tmp_path, device="torch", models_bytes=200_000))
    for name in ("a", "b", "a", "c"):
        engine.load(name).result(60)
    assert "c" in engine.loaded()
    assert len(engine.loaded()) < 3
    assert "b" not in engine.loaded()
    engine.close(5.0)
