# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json

from tests.texgen.batch.specs import SPEC, STEMS, contents
from texgen.batch.lock import changes, difference, read_lock


def test_a_lock_holds_and_its_changes_are_told(batch, tmp_path):
    lock = tmp_path / "texgen.lock"
    assert batch("--lock", str(lock))[0] == 0
    first, text = read_lock(lock), lock.read_bytes()
    assert set(first) == set(STEMS)
    assert batch("--lock", str(lock), out="again")[0] == 0
    assert lock.read_bytes() == text
    assert contents(tmp_path / "again") == contents(tmp_path / "out")
    code, _, told = batch("--lock", str(lock), text=SPEC.replace("1..3", "2..4"))
    assert code == 2 and "bark_4: new" in told and "bark_1: not in the spec any more" in told
    code, _, _ = batch("--lock", str(lock), "--update-lock", text=SPEC.replace("1..3", "2..4"))
    assert code == 0 and set(read_lock(lock)) == {
        "bark_2",
        "bark_3",
        "bark_4",
        "castle_4_v1",
        "castle_4_v2",
    }
    kept = read_lock(lock)
    assert {stem: kept[stem] for stem in kept if stem in first} == {
        stem: first[stem] for stem in first if stem in kept
    }


def test_a_folder_that_is_there_already_can_be_locked(batch, tmp_path):
    batch()
    before = contents(tmp_path / "out")
    code, told, _ = batch("--lock", str(tmp_path / "texgen.lock"))
    assert code == 0 and told.startswith("5 made")
    assert contents(tmp_path / "out") == before and set(read_lock(tmp_path / "texgen.lock")) == set(
        STEMS
    )
    assert batch("--lock", str(tmp_path / "texgen.lock"))[1].startswith("5 up to date")


def test_another_result_than_the_locks_is_a_failure(batch, tmp_path):
    lock = tmp_path / "texgen.lock"
    batch("--lock", str(lock))
    document = json.loads(lock.read_text())
    document["sets"]["bark_2"]["files"]["bark_2_ao.png"] = "0" * 64
    lock.write_text(json.dumps(document))
    code, _, told = batch("--lock", str(lock), out="again")
    assert code == 10 and "bark_2" in told and "bark_2_ao.png" in told
    assert not (tmp_path / "again" / "bark_2.json").exists()
    lock.write_text("{}")
    assert "no lock file" in batch("--lock", str(lock))[2]


def test_engines_may_differ_a_little_and_models_show_as_changes(batch, tmp_path):
    lock = tmp_path / "texgen.lock"
    batch("--lock", str(lock))
    known = read_lock(lock)["bark_1"]
    other = type(known)(**vars(known) | {"engine": "cuda/bf16", "files": {}})
    assert difference(other, known) == ""
    far = type(known)(**vars(other) | {"means": read_lock(lock)["bark_2"].means})
    assert "differs by" in difference(far, known)
    wanted = {"bark_1": ("other", "f" * 64)}
    assert changes(wanted, {"bark_1": known}) == [f"bark_1: model {known.model[:12]} -> {'f' * 12}"]
