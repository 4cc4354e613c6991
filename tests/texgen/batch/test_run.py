# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.texgen.batch.specs import SPEC, contents, spec
from texgen.cli import main


def test_what_fails_is_told_and_the_rest_is_made(server, tmp_path, capsys):
    (tmp_path / "token").write_text("secret")
    path = spec(tmp_path, SPEC + '\n[[set]]\nclass = "wool"\n')
    common = [
        "--out",
        str(tmp_path / "out"),
        "--server",
        server,
        "--token-file",
        str(tmp_path / "token"),
    ]
    assert main(["batch", str(path), *common, "--json"]) == 10
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert report["totals"] == {"made": 5, "failed": 1}
    (failed,) = [s for s in report["sets"] if s["status"] == "failed"]
    assert failed["stem"] == "wool_1" and "unknown class" in failed["why"] and failed["line"] == 16
    assert "wool_1" in told.err
    assert main(["batch", str(path), *common, "--only", "bark_*"]) == 0
    assert capsys.readouterr().out.startswith("3 up to date")


@pytest.mark.slow
def test_killed_three_times_and_resumed_nothing_is_lost_or_made_twice(models, tmp_path):
    path = spec(tmp_path, '[defaults]\nsize = 64\n[[set]]\nclass = "bark"\nseeds = "1..60"\n')
    command = [
        sys.executable,
        "-m",
        "texgen",
        "batch",
        str(path),
        "--models",
        str(models),
        "--device",
        "torch",
        "--resume",
    ]
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, timeout=300)
    out, rng = tmp_path / "out", random.Random(3)
    for _ in range(3):
        before = len(list(out.glob("*.json"))) if out.exists() else 0
        process = subprocess.Popen([*command, "--out", str(out)], start_new_session=True)
        wanted = before + rng.randrange(3, 12)
        deadline = time.monotonic() + 120
        while (
            len(list(out.glob("*.json"))) < wanted
            and process.poll() is None
            and time.monotonic() < deadline
        ):
            time.sleep(rng.random() * 0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    there = {p.name: p.stat().st_mtime_ns for p in out.glob("*.json")}
    assert 0 < len(there) < 60
    done = subprocess.run(
        [*command, "--out", str(out), "--json"],
        check=True,
        timeout=300,
        capture_output=True,
        text=True,
    )
    totals = json.loads(done.stdout)["totals"]
    assert totals == {"up to date": len(there), "made": 60 - len(there)}
    assert {name: (out / name).stat().st_mtime_ns for name in there} == there
    assert contents(out) == contents(tmp_path / "whole")
    assert not list(out.glob("*.partial")) and not list(out.glob(".*"))
