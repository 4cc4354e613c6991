# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json

from texgen.cli import main


def test_recipes_are_made_shown_and_make_the_same(models, tmp_path, capsys):
    common = ["--models", str(models)]
    wanted = [
        "--class",
        "brick=0.7,rock=0.3",
        "--seed",
        "7",
        "--size",
        "64",
        "--control",
        "relief_depth=2",
    ]
    assert main(["recipe", "make", *wanted, *common]) == 0
    text = capsys.readouterr().out.strip()
    assert (
        main(["generate", *wanted, "--out", str(tmp_path), "--device", "torch", *common, "--json"])
        == 0
    )
    assert json.loads(capsys.readouterr().out)["sets"][0]["recipe"] == text
    assert main(["recipe", "show", text, *common]) == 0
    told = capsys.readouterr().out
    assert "brick 70%, rock 30%" in told and "relief_depth 2" in told and "64 x 64" in told
    (sidecar,) = tmp_path.glob("*.json")
    assert main(["recipe", "show", str(sidecar), "--json", *common]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 7
    assert main(["recipe", "show", text[:-3] + "AAA", *common]) == 2
    assert main(["recipe", "show", text, "--models", str(tmp_path)]) == 3
    assert "no model" in capsys.readouterr().err
