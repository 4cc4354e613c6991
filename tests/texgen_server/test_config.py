# SPDX-License-Identifier: Apache-2.0
"""Settings of a server: their sources, and what is refused."""

from __future__ import annotations

import pytest

from texgen.cli import main
from texgen.errors import (
    InvalidRequestError,
)
from texgen_server import config
from texgen_server.cache_folder import usable_folder
from texgen_server.cli.shared import cache_folder
from texgen_server.config import (
    ServerConfig,
    check_exposure,
    default_cache_folder,
    load_config,
    printed,
)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "render-box"])
def test_exposure_is_refused_by_the_settings_alone(host):
    with pytest.raises(InvalidRequestError, match="loopback"):
        check_exposure(ServerConfig(host=host))
    for inside in ("127.0.0.1", "::1", "localhost"):
        check_exposure(ServerConfig(host=inside))


def test_settings_come_from_file_variables_and_flags_in_this_order(tmp_path, capsys, monkeypatch):
    path = tmp_path / "texgen.toml"
    path.write_text("port = 1111\nmax_queue = 7\ngrace_s = 2\n")
    config = load_config(
        path, {"max_queue": 9, "threads": None}, {"TEXGEN_PORT": "2222", "TEXGEN_TOKEN": "hush"}
    )
    assert (config.port, config.max_queue, config.grace_s, config.threads, config.token) == (
        2222,
        9,
        2.0,
        0,
        "hush",
    )
    assert "hush" not in printed(config)
    assert "hush" not in repr(config)
    assert "token is set" in printed(config)
    monkeypatch.setenv("TEXGEN_PORT", "3333")
    assert main(["serve", "--config", str(path), "--print-config"]) == 0
    shown = capsys.readouterr().out
    assert "port = 3333" in shown
    (tmp_path / "again.toml").write_text(shown)
    monkeypatch.delenv("TEXGEN_PORT")
    assert load_config(tmp_path / "again.toml").port == 3333
    for wrong, said in (
        ("prot = 1", "no setting 'prot'"),
        ("port = 'x'", "is no int"),
        ("max_queue = 0", "1 or more"),
        ("port = 70000", "0 to 65535"),
    ):
        path.write_text(wrong)
        with pytest.raises(InvalidRequestError, match=said):
            load_config(path)


@pytest.fixture(autouse=True)
def _warn_again():
    """Forget the warnings that are given once per process."""
    usable_folder.cache_clear()


def homeless():
    raise RuntimeError("Could not determine home directory.")


def test_a_user_without_a_home_has_no_cache_folder(tmp_path, monkeypatch, caplog):
    for name in ("TEXGEN_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(config.Path, "home", homeless)
    assert default_cache_folder() is None
    assert ServerConfig().cache_folder is None
    assert usable_folder(None) is None
    assert "no home" in caplog.text
    with pytest.raises(InvalidRequestError, match="TEXGEN_CACHE"):
        cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "texgen"


def test_a_path_of_a_home_that_is_not_there_is_refused_with_the_reason(tmp_path):
    (tmp_path / "texgen.toml").write_text('tls_cert = "~nobody-of-this-name/server.pem"\n')
    with pytest.raises(InvalidRequestError, match="whole path"):
        load_config(tmp_path / "texgen.toml", environment={})
