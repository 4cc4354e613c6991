# SPDX-License-Identifier: Apache-2.0
"""The cache folder, and a server without one."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from texgen import Client
from texgen_server.cache_folder import usable_folder
from texgen_server.config import ServerConfig
from texgen_server.rpc.server import EmbeddedServer


@pytest.fixture(autouse=True)
def _warn_again():
    """Forget the warnings that are given once per process."""
    usable_folder.cache_clear()


def test_a_folder_is_made_and_one_that_cannot_be_is_told_once(tmp_path, caplog):
    assert usable_folder(tmp_path / "new" / "folder") == tmp_path / "new" / "folder"
    (tmp_path / "file").write_text("")
    assert caplog.text == ""
    for _ in range(3):
        assert usable_folder(tmp_path / "file" / "below") is None
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "TEXGEN_CACHE" in caplog.text
    assert str(tmp_path / "file" / "below") in caplog.text


@pytest.mark.parametrize(
    "folder", [None, Path("/proc/nowhere")], ids=["no home", "nothing can be written"]
)
def test_a_server_without_a_cache_folder_serves_and_warns_once(models, folder, caplog):
    chosen = ServerConfig(
        port=0,
        models=models,
        device="openvino",
        grace_s=0.5,
        cache_folder=folder,
        cache_bytes=1 << 20,
    )
    with (
        caplog.at_level(logging.WARNING),
        EmbeddedServer(chosen) as server,
        Client(server.address) as client,
    ):
        made = [client.generate("bark", seed=3, size_px=(64, 64)) for _ in range(2)]
        client.generate_environment("indoor", seed=1)
    assert not made[1].cache_hit
    assert made[0].maps == made[1].maps
    assert [record.message for record in caplog.records if "nothing is kept" in record.message] == [
        caplog.records[0].message
    ]
