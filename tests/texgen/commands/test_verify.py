# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from texgen.provenance.trial_certificate import (
    KEY_FILE,
)


def test_the_command_says_what_it_cannot_do(texgen, tmp_path):
    (tmp_path / "empty").mkdir()
    assert texgen("verify", tmp_path / "empty")[0] == 2
    assert texgen("verify", tmp_path / "nowhere.png")[0] == 3
    (tmp_path / "x.json").write_text("{}")
    assert "no sidecar" in texgen("verify", tmp_path / "x.json")[1].err
    (tmp_path / "t.pem").write_text("no")
    assert texgen("verify", tmp_path / "x.json", "--trust", tmp_path / "t.pem")[0] == 2
    assert texgen("certificate", "--test", "--out", tmp_path / "c", ours=False)[0] == 0
    assert (tmp_path / "c" / KEY_FILE).stat().st_mode & 0o077 == 0
    assert texgen("certificate", "--test", "--out", tmp_path / "c", ours=False)[0] == 9
    code, told = texgen(
        "generate", "--class", "bark", "--sign", tmp_path / "t.pem", "--out", tmp_path
    )
    assert (code, "holds no" in told.err) == (2, True)
