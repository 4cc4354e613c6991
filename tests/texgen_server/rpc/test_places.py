# SPDX-License-Identifier: Apache-2.0
"""Where a server runs: without a place to write, without a home, beside a GPU that it cannot use,
with few libraries.
"""

from __future__ import annotations

import logging
import re
import sys
import tomllib
from pathlib import Path

import pytest

from texgen import Client
from texgen.errors import InvalidRequestError
from texgen_server import backends, config
from texgen_server.cache_folder import usable_folder
from texgen_server.cli.shared import cache_folder
from texgen_server.config import ServerConfig, default_cache_folder, load_config
from texgen_server.rpc.server import EmbeddedServer

ROOT = Path(__file__).parents[3]
TORCH_EXTRAS = {"gpu", "train", "capture", "prompt", "bench", "test"}


@pytest.fixture(autouse=True)
def _anew():
    """Each test is told anew what a process is told once."""
    usable_folder.cache_clear()
    backends._tell_of_unused_gpu.cache_clear()


def test_a_folder_is_made_and_one_that_cannot_be_is_told_once(tmp_path, caplog):
    assert usable_folder(tmp_path / "new" / "folder") == tmp_path / "new" / "folder"
    (tmp_path / "file").write_text("")
    assert caplog.text == ""
    for _ in range(3):
        assert usable_folder(tmp_path / "file" / "below") is None
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "TEXGEN_CACHE" in caplog.text
    assert str(tmp_path / "file" / "below") in caplog.text


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


def test_a_gpu_that_is_not_used_is_told_once_with_the_extra(monkeypatch, caplog):
    monkeypatch.setattr(backends, "_nvidia_driver", lambda: True)
    monkeypatch.setitem(sys.modules, "torch", None)
    for _ in range(3):
        assert backends.device_names("auto") == ["openvino"]
    (record,) = caplog.records
    assert "texgen[gpu]" in record.message


def test_without_openvino_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InvalidRequestError, match=r"texgen\[server\]"):
        backends.device_names("openvino")


def extras():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]


def brings(extra):
    """All that an extra installs, by name."""
    names = set()
    for requirement in extras()[extra]:
        name = re.match(r"[\w.-]+", requirement).group()
        if name == "texgen":
            for other in re.search(r"\[(.*)\]", requirement).group(1).split(","):
                names |= brings(other)
        names.add(name)
    return names


def test_torch_comes_with_the_extras_that_need_it_alone():
    assert {extra for extra in extras() if "torch" in brings(extra)} == TORCH_EXTRAS


def test_whatever_installs_torch_says_which():
    """Plain ``torch`` may be a CUDA build of several GB: each line that installs an extra with
    torch names a build beside it.
    """
    pages = [
        "Makefile",
        "README.md",
        "deploy/Dockerfile",
        ".ci/run",
        ".ci/pythons",
        ".ci/anywhere",
        *map(str, sorted(ROOT.glob("docs/*.md"))),
    ]
    lines = [
        line
        for page in pages
        for line in (ROOT / page).read_text(encoding="utf-8").splitlines()
        if "pip install" in line
    ]
    taking = [
        line
        for line in lines
        if TORCH_EXTRAS & set(re.findall(r"\w+", " ".join(re.findall(r"\[([\w,]+)\]", line))))
    ]
    assert len(taking) >= 4
    assert [line for line in taking if "torch==" not in line and "$(TORCH)" not in line] == []
