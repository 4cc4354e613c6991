# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

from texgen.commands.info import table
from texgen.errors import InvalidRequestError
from texgen.pb import texgen_pb2 as pb


def test_a_server_shows_its_devices(run):
    code, out, _ = run("info")
    assert code == 0
    assert "0 waiting" in out
    assert "no model loaded yet" in out
    code, out, _ = run("info", "--json")
    document = json.loads(out)
    assert set(document) == {"server", "models"}
    assert document["server"]["devices"][0]["name"] in ("torch", "openvino")


def test_watching_needs_a_server(run):
    code, _, err = run("info", "--watch", "1")
    assert code == InvalidRequestError.exit_code
    assert "--watch needs --server" in err


def test_the_table_gives_milliseconds():
    info = pb.GetServerInfoResponse(version="1.2", queue_depth=3)
    model = pb.ModelStatistics(model="material", loaded=True, results=5)
    model.compute.p50_s = 0.25
    text = table(info, [model])
    assert text.startswith("texgen 1.2, 3 waiting\n")
    assert "250 ms" in text
