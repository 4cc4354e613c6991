# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json


def test_vary_and_mix_write_sets_with_recipes(run, brick, tmp_path):
    out = tmp_path / "out"
    code, printed, _ = run(
        "vary",
        str(brick),
        "--amount",
        "0.3",
        "--lock",
        "layout",
        "--count",
        "2",
        "--seed",
        "5",
        "--out",
        str(out),
    )
    assert code == 0
    assert {p.name for p in out.glob("*.json")} == {"brick_vary_5.json", "brick_vary_6.json"}
    code, printed, _ = run(
        "mix",
        str(brick),
        str(out / "brick_vary_5.json"),
        "--weights",
        "3,1",
        "--out",
        str(out),
        "--name",
        "m",
        "--json",
    )
    assert code == 0
    recipe = json.loads(printed)["sets"][0]["recipe"]
    code, _, _ = run("generate", "--recipe", recipe, "--out", str(out), "--name", "again")
    assert code == 0
    assert (out / "again_basecolor.png").read_bytes() == (out / "m_basecolor.png").read_bytes()
