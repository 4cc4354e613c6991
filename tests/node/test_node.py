# SPDX-License-Identifier: Apache-2.0
"""A client in another language, with its library's defaults, gets the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from texgen.client import Client
from texgen_server.config import ServerConfig
from texgen_server.rpc.server import EmbeddedServer

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
    if not (CACHE / "node_modules" / "@grpc" / "grpc-js").is_dir():
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=CACHE, check=True, timeout=300)
    return {**os.environ, "NODE_PATH": str(CACHE / "node_modules")}


def test_node_receives_a_1024_set_equal_to_pythons(node):
    config = ServerConfig(port=0, grace_s=1.0)
    with EmbeddedServer(config) as server, Client(server.address) as client:
        ours = client.generate("bark", seed=7, size_px=(1024, 1024))
        command = ["node", str(HERE / "generate.js"), server.address, "bark", "7", "1024"]
        done = subprocess.run(command, env=node, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)
    assert theirs["recipe"] == ours.recipe
    expected = {f"MAP_KIND_{kind.name}": hashlib.sha256(packed.data).hexdigest() for kind, packed in ours.maps.items()}
    assert theirs["maps"] == expected
