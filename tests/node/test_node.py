# SPDX-License-Identifier: Apache-2.0
"""A client in another language, with its library's defaults, gets the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from texgen.client import Client
from texgen.export.packing import pack
from texgen.export.preset import load_preset
from texgen.export.texture_set import TextureSet
from texgen.maps import MAP_SPECS, MATERIAL_MAPS, MapKind
from texgen_server.config import ServerConfig
from texgen_server.rpc.server import EmbeddedServer
from texgen_server.tokens import create_token

pytestmark = pytest.mark.node
HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "node"


@pytest.fixture(scope="module")
def node():
    """Node with the two packages installed once, in the repository's cache."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js is not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "package.json", CACHE)
    if not all(
        (CACHE / "node_modules" / name).is_dir()
        for name in json.loads((HERE / "package.json").read_text())["dependencies"]
    ):
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--silent"],
            cwd=CACHE,
            check=True,
            timeout=300,
        )
    return {**os.environ, "NODE_PATH": str(CACHE / "node_modules")}


def test_node_receives_a_1024_set_equal_to_pythons(node):
    config = ServerConfig(port=0, grace_s=1.0)
    with EmbeddedServer(config) as server, Client(server.address) as client:
        ours = client.generate("bark", seed=7, size_px=(1024, 1024))
        command = ["node", str(HERE / "generate.js"), server.address, "bark", "7", "1024"]
        done = subprocess.run(
            command, env=node, capture_output=True, text=True, timeout=120, check=False
        )
    assert_equal(done, ours)


def assert_equal(done, ours):
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)
    assert theirs["recipe"] == ours.recipe
    expected = {
        f"MAP_KIND_{kind.name}": hashlib.sha256(packed.data).hexdigest()
        for kind, packed in ours.maps.items()
    }
    assert theirs["maps"] == expected


VALIDATE = """
const validator = require("gltf-validator");
validator.validateBytes(new Uint8Array(require("fs").readFileSync(process.argv[1]))).then((r) => console.log(JSON.stringify(r.issues)));
"""


@pytest.mark.parametrize("preset", ["gltf", "gltf-ktx2"])
def test_the_glb_is_valid_to_khronos(node, tmp_path, preset):
    pytest.importorskip("pygltflib")
    (tmp_path / "ball.glb").write_bytes(
        pack(texture_set_of_noise("ball"), load_preset(preset))["ball.glb"]
    )
    command = ["node", "-e", VALIDATE, str(tmp_path / "ball.glb")]
    done = subprocess.run(command, env=node, capture_output=True, text=True, timeout=60, check=True)
    issues = json.loads(done.stdout)
    unread = (
        "UNSUPPORTED_EXTENSION",
        "IMAGE_UNRECOGNIZED_FORMAT",
        "UNUSED_OBJECT",
        "VALUE_NOT_IN_LIST",
    )  # it has not heard of KTX2
    assert [m for m in issues["messages"] if preset == "gltf" or m["code"] not in unread] == []


READ_KTX2 = """
const file = require("ktx-parse").read(new Uint8Array(require("fs").readFileSync(process.argv[1])));
const dfd = file.dataFormatDescriptor[0];
console.log(JSON.stringify([file.pixelWidth, file.levels.length, file.supercompressionScheme, dfd.colorModel, dfd.transferFunction]));
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ball_baseColor.ktx2", [32, 6, 1, 163, 2]), ("ball_orm.ktx2", [32, 6, 2, 166, 1])],
)
def test_ktx2_is_read_by_another_parser(node, tmp_path, name, expected):
    """ETC1S, BasisLZ and sRGB for colour; UASTC, zstd and linear for data."""
    path = tmp_path / name
    path.write_bytes(pack(texture_set_of_noise("ball"), load_preset("gltf-ktx2"))[name])
    done = subprocess.run(
        ["node", "-e", READ_KTX2, str(path)],
        env=node,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout) == expected


def texture_set_of_noise(stem):
    rng = np.random.default_rng(1)
    kinds = (k for k in MATERIAL_MAPS if k is not MapKind.HEIGHT)
    return TextureSet(
        stem,
        {k: rng.integers(0, 256, (32, 32, MAP_SPECS[k].channels)).astype(np.uint8) for k in kinds},
    )


def test_node_with_tls_and_a_token(node, models, authority, tmp_path):
    token = create_token(tmp_path / "tokens.toml", "node")
    cert, key = authority["server"]
    config = ServerConfig(
        port=0,
        models=models,
        device="torch",
        grace_s=1.0,
        tokens_file=tmp_path / "tokens.toml",
        tls_cert=cert,
        tls_key=key,
    )
    with EmbeddedServer(config) as server, Client(server.address, token, authority["ca"]) as client:
        ours = client.generate("bark", seed=7, size_px=(64, 64))
        secure = node | {"TEXGEN_CA": str(authority["ca"])}

        def ask(shown):
            command = ["node", str(HERE / "generate.js"), server.address, "bark", "7", "64"]
            return subprocess.run(
                command,
                env=secure | {"TEXGEN_TOKEN": shown},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        done, refused = ask(token), ask("tgt_wrong")
    assert_equal(done, ours)
    assert refused.returncode == 1
    assert "token" in refused.stderr


def test_the_examples_of_the_documents_run(node, models, tmp_path):
    """The README's Python in ten lines, the JavaScript in twenty, as they stand there."""
    pages = {"python": "README.md", "js": "docs/technical-artist.md"}
    examples = {
        language: re.findall(
            rf"```{language}\n(.*?)```", (HERE.parents[1] / page).read_text(), re.DOTALL
        )[0]
        for language, page in pages.items()
    }
    assert len(examples["python"].strip().splitlines()) <= 10
    assert len(examples["js"].strip().splitlines()) <= 20
    config = ServerConfig(port=0, models=models, device="torch", grace_s=1.0)
    with EmbeddedServer(config) as server:
        for language, command in (("python", [sys.executable]), ("js", ["node"])):
            assert "127.0.0.1:50051" in examples[language]
            script = tmp_path / f"example.{language}"
            script.write_text(
                examples[language].replace("127.0.0.1:50051", server.address).replace("1024", "64")
            )
            where = {"cwd": HERE.parents[1], "env": node | {"PYTHONPATH": str(HERE.parents[1])}}
            done = subprocess.run(
                [*command, script], capture_output=True, text=True, timeout=60, check=False, **where
            )
            assert done.returncode == 0, done.stderr
            assert "tg1:" in done.stdout
