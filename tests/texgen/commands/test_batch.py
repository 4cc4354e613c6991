# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import subprocess
import sys

from tests.texgen.batch.specs import STEMS, contents
from texgen.batch.state import JOURNAL


def test_a_batch_is_made_once_and_reported(batch, tmp_path):
    code, told, _ = batch("--report", str(tmp_path / "report.json"))
    assert code == 0 and told.startswith("5 made")
    report = json.loads((tmp_path / "report.json").read_text())
    assert [s["stem"] for s in sorted(report["sets"], key=lambda s: s["stem"])] == STEMS
    assert all(
        s["status"] == "made" and s["recipe"].startswith("tg1:") and s["files"]
        for s in report["sets"]
    )
    assert [s["sweep"] for s in report["sets"] if s["stem"] == "castle_4_v2"] == [
        {"relief_depth": 2.0}
    ]
    made = contents(tmp_path / "out", sidecars=True)
    assert {"bark_1_basecolor.png", "T_castle_4_v2_ORM.png", "castle_4_v2.json"} <= set(made)
    assert json.loads(made["castle_4_v2.json"])["output_licence"] == "CC0-1.0"
    assert JOURNAL not in made
    code, told, _ = batch()
    assert code == 0 and told.startswith("5 up to date")
    assert contents(tmp_path / "out", sidecars=True) == made


def test_the_second_run_starts_nothing_and_imports_no_torch(batch, models, tmp_path):
    batch()
    program = (
        "import sys; from texgen.cli import main; code = main(sys.argv[1:]); "
        "print(code, sorted({'torch', 'grpc', 'openvino', 'texgen_server.engine'} & "
        "set(sys.modules)))"
    )
    command = [
        sys.executable,
        "-c",
        program,
        "batch",
        str(tmp_path / "spec.toml"),
        "--out",
        str(tmp_path / "out"),
        "--models",
        str(models),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_only_some_and_a_dry_run(batch, tmp_path):
    code, told, _ = batch("--only", "castle_*", "--dry-run")
    assert code == 0 and [line.split()[-1] for line in told.splitlines()] == STEMS[3:]
    assert not (tmp_path / "out").exists()
    batch("--only", "bark_[12]")
    code, told, _ = batch("--dry-run")
    assert [line.rsplit(None, 1)[0] for line in told.splitlines()] == ["up to date"] * 2 + [
        "missing"
    ] * 3
    code, _, told = batch("--only", "nothing*")
    assert code == 2 and "matches none of 5" in told
