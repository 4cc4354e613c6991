# SPDX-License-Identifier: Apache-2.0
"""Tools of others: `buf curl` over TLS with a token, the schema from the server's own
reflection.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig

import pytest

from texgen_server.config import ServerConfig
from texgen_server.rpc.server import EmbeddedServer
from texgen_server.tokens import create_token


@pytest.fixture(scope="module")
def curl(models, authority, tmp_path_factory):
    """Calls a method with a request; returns the exit code and what was said."""
    folder = tmp_path_factory.mktemp("buf")
    token = create_token(folder / "tokens.toml", "buf")
    cert, key = authority["server"]
    config = ServerConfig(
        port=0,
        models=models,
        device="torch",
        grace_s=0.5,
        tokens_file=folder / "tokens.toml",
        tls_cert=cert,
        tls_key=key,
    )
    buf = shutil.which("buf", path=sysconfig.get_path("scripts")) or "buf"
    with EmbeddedServer(config) as server:

        def call(method, request, shown=token):
            header, reflect = (f"Authorization: Bearer {t}" for t in (shown, token))
            address = f"https://localhost:{server.address.rpartition(':')[2]}/texgen.v1.{method}"
            command = [
                buf,
                "curl",
                "--protocol",
                "grpc",
                "--cacert",
                authority["ca"],
                "-H",
                header,
                "--reflect-header",
                reflect,
            ]
            done = subprocess.run(
                [*command, "-d", json.dumps(request), address],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            return done.returncode, done.stdout or done.stderr

        yield call


def test_a_short_call(curl):
    code, said = curl("ModelService/ListModels", {})
    assert code == 0, said
    assert {model["id"] for model in json.loads(said)["models"]} == {
        "material",
        "upscaler",
        "estimator",
        "environment",
    }


def test_a_stream(curl):
    request = {
        "classes": [{"name": "bark", "weight": 1}],
        "seed": "7",
        "size": {"widthPx": 32, "heightPx": 32},
        "maps": ["MAP_KIND_AO"],
    }
    code, said = curl("TextureService/GenerateMaterial", request)
    assert code == 0, said
    decoder, at, events = json.JSONDecoder(), 0, []
    while at < len(said.rstrip()):
        event, at = decoder.raw_decode(said, at)
        events.append(next(iter(event)))
        at += len(said[at:]) - len(said[at:].lstrip())
    assert [e for e in events if e != "progress"] == [
        "accepted",
        "mapHeader",
        "chunk",
        "mapEnd",
        "summary",
    ]


def test_errors_carry_their_details(curl):
    code, said = curl(
        "TextureService/GenerateMaterial", {"classes": [{"name": "chocolate", "weight": 1}]}
    )
    assert code != 0
    assert "chocolate" in said
    assert "BadRequest" in said
    code, said = curl("ModelService/ListModels", {}, "tgt_wrong")
    assert code != 0
    assert "unauthenticated" in said
