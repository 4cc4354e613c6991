# SPDX-License-Identifier: Apache-2.0
"""Models at run time: loaded, unloaded, added, and what they have done."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from texgen.cli import main
from texgen.errors import (
    LoadError,
    NotFoundError,
)
from texgen.maps import Encoding
from texgen.modelcard import find_card


def test_models_are_loaded_and_unloaded_and_results_stay_the_same(own):
    client, _ = own
    before = client.generate("bark", seed=1, size_px=(32, 32), encoding=Encoding.RAW)
    assert [(m.model, m.loaded) for m in client.model_statistics()] == [("material", True)]
    assert client.unload_model() is True
    assert client.unload_model() is False
    assert [(m.model, m.loaded) for m in client.model_statistics()] == [("material", False)]
    assert client.load_model("upscaler") > 0.0
    assert client.load_model("upscaler") < 1.0
    assert [m.model for m in client.model_statistics() if m.loaded] == ["upscaler"]
    after = client.generate("bark", seed=1, size_px=(32, 32), encoding=Encoding.RAW)
    assert after.maps == before.maps


def test_a_folder_that_was_added_is_found_and_a_damaged_one_is_told(own):
    client, folder = own
    shutil.copytree(folder / "upscaler", folder / "other")
    text = (folder / "other" / "model.toml").read_text()
    (folder / "other" / "model.toml").write_text(
        text.replace('"id" = "upscaler"', '"id" = "other"')
    )
    assert "other" in [m.id for m in client.list_models()]
    assert client.load_model("other") > 0.0
    with pytest.raises(NotFoundError):
        client.load_model("nothing")
    (folder / "estimator" / "weights.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(LoadError):
        client.load_model("estimator")
    assert client.generate("bark", seed=1, size_px=(32, 32)).seed == 1


def test_info_without_a_server_tells_how_this_machine_computes(models, capsys):
    assert main(["info", "--device", "torch", "--models", str(models)]) == 0
    assert "precision f32" in capsys.readouterr().out


@pytest.mark.parametrize(
    "model", ["../../etc/passwd", "x" * 5000, "material/../material", "/etc", "\u0000"]
)
def test_what_a_client_calls_a_model_never_becomes_a_path(models, model, monkeypatch):
    """Ids are looked up among the folders there are; nothing of the server's own paths is told."""
    seen = []
    for name in ("is_file", "exists", "open", "stat"):
        real = getattr(Path, name)
        monkeypatch.setattr(
            Path,
            name,
            lambda self, *a, _real=real, **k: seen.append(str(self)) or _real(self, *a, **k),
        )
    with pytest.raises(NotFoundError) as told:
        find_card(model, models)
    assert seen
    assert not [path for path in seen if model in path or "etc/passwd" in path or path == "/etc"]
    assert str(models) not in str(told.value)
    assert len(str(told.value)) < 300
