# SPDX-License-Identifier: Apache-2.0
"""The wheel, alone in an empty environment and folder, makes a material: code, contract and weights
are all inside.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]


def test_a_built_wheel_generates_a_set(tmp_path):
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            str(tmp_path),
            str(ROOT),
        ],
        check=True,
    )
    wheel = next(tmp_path.glob("texgen-*.whl"))
    target = tmp_path / "site"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--no-index",
            "--target",
            str(target),
            str(wheel),
        ],
        check=True,
    )
    # Libraries come from this environment, texgen from the wheel alone: -I keeps the checkout and
    # the current folder out.
    code = (
        "import sys; sys.path[:0] = [sys.argv.pop(1), sys.argv.pop(1)]\n"
        "import texgen; assert texgen.__file__.startswith(sys.path[0]), texgen.__file__\n"
        "from texgen.cli import main; sys.exit(main())"
    )
    arguments = [
        "generate",
        "--class",
        "bark",
        "--seed",
        "1",
        "--size",
        "256",
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TEXGEN_MODELS")}
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        code,
        str(target),
        sysconfig.get_paths()["purelib"],
        *arguments,
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)["sets"][0]
    assert len(made["files"]) == 6
    assert all((tmp_path / "out" / name).is_file() for name in made["files"].values())
