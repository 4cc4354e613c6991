# SPDX-License-Identifier: Apache-2.0
"""Metrics, and the table of `texgen info`."""

from __future__ import annotations

import json
import socket
import urllib.request

from texgen.cli import main
from texgen.client import Client
from texgen_server.config import ServerConfig
from texgen_server.rpc.server import EmbeddedServer


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
