# SPDX-License-Identifier: Apache-2.0
"""Models at run time: loaded, unloaded, added, and what they have done."""

from __future__ import annotations

import json
import shutil
import socket
import urllib.request

import pytest

from texgen.cli import main
from texgen.client import Client
from texgen.errors import InvalidRequestError, LoadError, NotFoundError
from texgen.maps import Encoding
from texgen_server.config import ServerConfig
from texgen_server.observability.model_statistics import Durations
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


def test_statistics_count_what_happened(own):
    client, _ = own
    for seed in range(3):
        client.generate("bark", seed=seed, size_px=(32, 32))
    with pytest.raises(InvalidRequestError):
        client.generate(
            "bark", size_px=(33, 33)
        )  # refused before it was queued: no failure of the model
    (figures,) = client.model_statistics("material")
    assert (figures.results, figures.cache_hits, figures.failures) == (3, 0, 0)
    assert figures.compute.count == figures.queue.count == figures.encode.count == 3
    assert 0.0 < figures.compute.p50_s <= figures.compute.p99_s <= figures.compute.sum_s
    with pytest.raises(NotFoundError):
        client.model_statistics("nothing")


def test_quantiles_are_of_the_recent_ones():
    durations = Durations()
    assert durations.quantile(0.5) == 0.0
    for i in range(2000):
        durations.add(float(i))
    assert (durations.count, durations.sum_s) == (2000, sum(range(2000)))
    assert durations.quantile(0.0) == 2000 - 1024
    assert durations.quantile(0.99) > 1980


def test_metrics_and_the_info_table_tell_the_same(models, tmp_path, capsys):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = ServerConfig(
        port=0,
        models=models,
        device="torch",
        grace_s=0.5,
        metrics_port=port,
        cache_folder=tmp_path,
        cache_bytes=1 << 24,
    )
    with EmbeddedServer(config) as server, Client(server.address) as client:
        for seed in (1, 2):
            client.generate("bark", seed=seed, size_px=(32, 32))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert main(["info", "--server", server.address]) == 0
        shown = capsys.readouterr().out
        assert main(["info", "--server", server.address, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
    assert 'texgen_results_total{model="material",source="made"} 2.0' in text
    assert 'texgen_stage_seconds_count{model="material",stage="compute"} 2.0' in text
    assert 'texgen_model_loaded{model="material"} 1.0' in text
    assert 'texgen_cache_lookups_total{found="no"} 2.0' in text
    assert "texgen_queue_depth 0.0" in text
    assert next(line.split()[:3] for line in shown.splitlines() if line.startswith("material")) == [
        "material",
        "yes",
        "2",
    ]
    assert document["models"][0]["results"] == "2"
    (device,) = document["server"]["devices"]
    assert (
        f"precision {device['precision']}, instructions {device['instructions']}, CPU threads "
        f"{device['threads']}; {device['why']}"
    ) in shown
    assert device["engine"].split("/")[1:3] == [device["precision"], device["instructions"]]
    assert main(["info", "--watch", "1"]) == 2


def test_info_without_a_server_tells_how_this_machine_computes(models, capsys):
    assert main(["info", "--device", "torch", "--models", str(models)]) == 0
    assert "precision f32" in capsys.readouterr().out
