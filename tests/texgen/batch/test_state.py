# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from tests.texgen.batch.specs import SPEC, contents
from texgen.batch.state import JOURNAL


def test_changed_and_damaged_sets_are_made_again_only_when_asked(batch, tmp_path):
    batch()
    first = contents(tmp_path / "out")
    (tmp_path / "out" / "bark_2_height.png").write_bytes(b"short")
    (tmp_path / "out" / "bark_3_ao.png").unlink()
    code, _, told = batch()
    assert code == 9 and "2 sets" in told and "--resume" in told
    assert contents(tmp_path / "out")["bark_2_height.png"] == b"short"
    code, told, _ = batch("--resume")
    assert code == 0 and "2 made" in told and "3 up to date" in told
    assert contents(tmp_path / "out") == first
    code, told, _ = batch("--resume", text=SPEC.replace("hue_shift = 10", "hue_shift = 20"))
    assert "2 made, 3 up to date" in told
    changed = contents(tmp_path / "out")
    assert {name for name in first if first[name] != changed[name]} == {
        name for name in first if "castle" in name and name.endswith("png")
    }


def test_what_a_killed_run_left_half_written_goes_and_no_other_sets_files(batch, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / JOURNAL).write_text('{"begun": "bark_1"}\n{"beg')
    (out / ".bark_1_ao.png.7.partial").write_bytes(b"half")
    (out / "bark_1_ao.png").write_bytes(b"whole, but without its sidecar")
    assert batch()[0] == 9
    code, told, _ = batch("--resume")
    assert code == 0 and told.startswith("5 made")
    assert not list(out.glob(".*"))


def test_files_of_others_are_never_touched(batch, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "bark_2.json").write_text('{"mine": true}')
    code, _, told = batch("--resume")
    assert code == 9 and "was not made by a batch" in told
    assert contents(tmp_path / "out", sidecars=True) == {"bark_2.json": b'{"mine": true}'}
