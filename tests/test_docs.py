# SPDX-License-Identifier: Apache-2.0
"""The pages for each group of users: every command and every program on them runs, in the order of
the page.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
PAGES = sorted(p for p in (ROOT / "docs").glob("*.md") if p.name != "README.md")
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "127.0.0.1:50051"
WAIT = f"""
import time
from texgen import Client
from texgen.errors import TexgenError
for _ in range(300):
    try:
        with Client("{ADDRESS}") as client:
            client.list_models()
        break
    except TexgenError as error:
        if "token" in str(error) or "TLS" in str(error) or time.sleep(0.1):
            break
"""


def script(page):
    """All blocks of a page as one shell script; programs in Python in their places."""
    lines = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            lines.append(f"python - <<'PROGRAM'\n{WAIT}{text}PROGRAM")
            continue
        for line in text.splitlines():
            lines.append(line)
            if re.search(r"texgen serve .*&(\s|$)", line):
                lines.append("sleep 8")
    return "\n".join(lines)


@pytest.fixture
def place(tmp_path, authority):
    """An empty folder with what the pages say is there, and ``texgen`` and ``python`` of this
    environment.
    """
    for name in ("blender_addon", "models", "protos"):
        (tmp_path / name).symlink_to(ROOT / name)
    rng = np.random.default_rng(1)
    grain = np.kron(rng.integers(60, 200, (64, 64, 3)), np.ones((6, 6, 1))) + rng.integers(
        -20, 20, (384, 384, 3)
    )
    Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8)).save(
        tmp_path / "photo.jpg", quality=90
    )
    (tmp_path / "scans.toml").write_text(
        '[defaults]\nsize = 256\n[[set]]\nclass = "brick"\nseeds = "1..4"\n[[set]]\nclass = '
        '"bark"\nseeds = "1..4"\n'
    )
    (tmp_path / "texgen.toml").write_text("max_queue = 16\n")
    for name, path in (
        ("ca.pem", authority["ca"]),
        ("server.pem", authority["server"][0]),
        ("server.key", authority["server"][1]),
    ):
        (tmp_path / name).write_bytes(Path(path).read_bytes())
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, command in (
        ("texgen", f'"{sys.executable}" -m texgen'),
        ("python", f'"{sys.executable}"'),
    ):
        (tools / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (tools / name).chmod(0o755)
    return tmp_path


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_runs(page, place):
    text = script(page)
    for known in (50051, 9464):
        text = text.replace(f":{known}", f":{free_port()}").replace(
            f"-port {known}", f"-port {free_port()}"
        )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TEXGEN_")} | {
        "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TEXGEN_CACHE": os.environ["TEXGEN_CACHE"],
    }
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_every_page_has_commands_and_its_links_lead_somewhere():
    assert {p.stem for p in PAGES} == {
        "artist",
        "pipeline",
        "technical-artist",
        "operator",
        "trainer",
        "may-i-ship-it",
        "install",
        "command-line",
        "limits",
        "inputs",
    }
    for page in [*PAGES, ROOT / "docs" / "README.md", ROOT / "README.md"]:
        text = page.read_text(encoding="utf-8")
        assert page.name == "README.md" or BLOCK.search(text), page
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            assert "://" in target or (page.parent / target).exists(), f"{page.name} -> {target}"
