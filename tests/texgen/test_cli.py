# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

from tests.texgen.commands.files import hashes
from texgen.cli import main


def test_json_is_one_object(run, tmp_path):
    code, out, _ = run(
        "generate",
        "--class",
        "ice",
        "--count",
        "2",
        "--seed",
        "1",
        "--size",
        "32",
        "--out",
        str(tmp_path),
        "--json",
    )
    document = json.loads(out)
    assert code == 0
    assert [s["seed"] for s in document["sets"]] == [1, 2]
    assert len(hashes(tmp_path)) == 12


def test_server_problems(run, server, tmp_path):
    wrong = tmp_path / "token"
    wrong.write_text("guess\n")
    ask = [
        "generate",
        "--class",
        "bark",
        "--seed",
        "1",
        "--size",
        "32",
        "--out",
        str(tmp_path / "o"),
    ]
    code, _, err = run(*ask, "--server", "127.0.0.1:1", embedded=False)
    assert (code, "texgen serve" in err) == (7, True)
    code, _, err = run(*ask, "--server", server, "--token-file", str(wrong), embedded=False)
    assert (code, "token" in err) == (8, True)
    code, _, err = run(
        *ask, "--server", server, "--token-file", str(tmp_path / "none"), embedded=False
    )
    assert (code, "token file" in err) == (2, True)
    wrong.write_text("secret\n")
    assert run(*ask, "--server", server, "--token-file", str(wrong), embedded=False)[0] == 0


def test_errors_as_json(models, capsys, tmp_path):
    code = main(
        [
            "generate",
            "--class",
            "wool",
            "--seed",
            "1",
            "--out",
            str(tmp_path),
            "--models",
            str(models),
            "--device",
            "torch",
            "--json",
        ]
    )
    assert code == 2
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "InvalidRequestError"


def test_a_port_to_the_world_is_refused(capsys):
    assert main(["serve", "--listen", "0.0.0.0:0"]) == 2
    assert "loopback" in capsys.readouterr().err
