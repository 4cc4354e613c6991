# SPDX-License-Identifier: Apache-2.0
"""Batch: a spec is checked before any work, nothing is made twice, nothing is lost or overwritten,
a lock holds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from texgen.batch.check import check_items
from texgen.batch.lock import changes, difference, read_lock
from texgen.batch.spec import MAX_SETS, read_spec
from texgen.batch.state import JOURNAL
from texgen.cli import main
from texgen.errors import InvalidRequestError
from texgen.modelcard import find_card
from texgen.recipes.build import make_recipe
from texgen.recipes.text import write_recipe

SPEC = """
[defaults]
size = 64

[[set]]
class = "bark"
seeds = "1..3"

[[set]]
name = "castle"
class = "brick=0.7,rock=0.3"
seeds = [4]
preset = "unreal"
controls = { relief_depth = [0.5, 2.0], hue_shift = 10 }
"""
STEMS = ["bark_1", "bark_2", "bark_3", "castle_4_v1", "castle_4_v2"]


def spec(folder, text=SPEC, name="spec.toml"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture
def batch(models, tmp_path, capsys):
    def call(*arguments, text=SPEC, out="out"):
        code = main(
            [
                "batch",
                str(spec(tmp_path, text)),
                "--out",
                str(tmp_path / out),
                *arguments,
                "--models",
                str(models),
                "--device",
                "torch",
            ]
        )
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def contents(folder, *, sidecars=False):
    return {
        p.name: p.read_bytes()
        for p in sorted(Path(folder).iterdir())
        if sidecars or p.suffix != ".json"
    }


def test_a_spec_becomes_sets_with_names_sweeps_and_presets(tmp_path):
    items = read_spec(spec(tmp_path))
    assert [item.stem for item in items] == STEMS
    assert items[0].request == {"size_px": (64, 64), "classes": {"bark": 1.0}, "seed": 1}
    assert items[4].request["controls"] == {"relief_depth": 2.0, "hue_shift": 10.0}
    assert items[4].sweep == {"relief_depth": 2.0}
    assert [item.preset for item in items] == [""] * 3 + ["unreal"] * 2
    assert [item.line for item in items] == [5] * 3 + [9] * 2


def test_json_and_csv_say_the_same(tmp_path):
    document = {
        "defaults": {"size": 64},
        "set": [
            {"class": "bark", "seeds": "1..3"},
            {
                "name": "castle",
                "class": "brick=0.7,rock=0.3",
                "seeds": [4],
                "preset": "unreal",
                "controls": {"relief_depth": [0.5, 2.0], "hue_shift": 10},
            },
        ],
    }
    table = """name,class,seeds,size,preset,control.relief_depth,control.hue_shift
,bark,1..3,64,,,
castle,"brick=0.7,rock=0.3",4,64,unreal,0.5;2.0,10
"""
    plain = [(i.stem, dict(i.request), i.preset) for i in read_spec(spec(tmp_path))]
    for text, name in ((json.dumps(document, indent=1), "s.json"), (table, "s.csv")):
        assert [
            (i.stem, dict(i.request), i.preset) for i in read_spec(spec(tmp_path, text, name))
        ] == plain


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ('[[set]]\nclass = "bark"\nsize = 64\nsedes = 3', 4, "unknown key 'sedes'"),
        ('[[set]]\nname = "x"', 1, "class, prompt or recipe"),
        ('[[set]]\nclass = "bark"\nprompt = "old"', 2, "one of the three"),
        ("[[set]]\nclass = 3", 2, "class must be text"),
        ('[[set]]\nclass = "bark"\ncount = true', 3, "whole number"),
        ('[[set]]\nclass = "bark"\nseeds = "5..1"', 3, "range such as"),
        ('[[set]]\nclass = "bark"\nseeds = [1, 1]', 3, "stands twice"),
        ('[[set]]\nclass = "bark"\nseeds = [-1]', 3, "from 0 on"),
        ('[[set]]\nclass = "bark"\nseeds = [1, 2]\ncount = 5', 4, "single seed"),
        ('[[set]]\nclass = "bark"\ncontrols = { age = "old" }', 3, "control age"),
        ('[[set]]\nclass = "bark"\ncontrols = { age = [] }', 3, "control age"),
        (
            '[[set]]\nclass = "bark"\n\n[[set]]\nclass = "brick"\nseeds = "1..1000000000"',
            6,
            "too many",
        ),
        ('[[set]]\nclass = "bark"\nname = "../../etc/passwd"', 3, "no plain file name"),
        ('[[set]]\nclass = "bark"\nname = "a/b"', 3, "no plain file name"),
        ('[[set]]\nclass = "bark"\nname = "con"\npattern = "{name}"', 3, "no plain file name"),
        ('[[set]]\nclass = "bark"\npattern = "{name}_{age}"', 3, "there are {name}"),
        (
            '[[set]]\nclass = "bark"\n[[set]]\nclass = "bark"',
            3,
            "two sets are called bark_1 .the other one: line 1",
        ),
        (
            '[[set]]\nclass = "bark"\n[[set]]\nname = "BARK"\nclass = "brick"',
            3,
            "two sets are called BARK_1",
        ),
        ('[[set]]\nclass = "bark"\npreset = "uneral"', 3, "there is no preset"),
        ('[[set]]\nclass = "bark"\nsize = "big"', 3, "size 'big'"),
        ('[[set]]\nname = "r"\nrecipe = "tg1:abc"\nseeds = [1]', 4, "already says"),
        ('[[set]]\nrecipe = "tg1:abc"', 2, "needs a name"),
        ('[defaults]\nsize = 64\nfinish = 3\n[[set]]\nclass = "bark"', 3, "unknown key 'finish'"),
        ('[[set]]\nclass = "bark"\n[set.controls]\nage = "old"', 3, "control age"),
    ],
)
def test_a_bad_spec_is_refused_with_its_line(tmp_path, text, line, why):
    with pytest.raises(InvalidRequestError, match=why) as error:
        read_spec(spec(tmp_path, text))
    found = str(error.value)
    assert f"line {line}:" in found or (line == 6 and "line 4:" in found), found


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("s.toml", "[[set]", "not valid TOML"),
        ("s.json", '{"set": [', "not valid JSON"),
        ("s.json", '{"sets": []}', "unknown key 'sets'"),
        ("s.json", "[]", "no table"),
        ("s.toml", "", "holds no set"),
        ("s.yaml", "set: []", "a .toml, .json or .csv"),
        ("s.csv", "class,seeds\nbark", "line 2"),
        ("s.csv", "class,control.age\nbark,old", "line 2: control.age"),
        ("s.csv", "class,seeds\nbark,x", "line 2"),
    ],
)
def test_what_is_no_spec_is_refused(tmp_path, name, text, why):
    with pytest.raises(InvalidRequestError, match=why):
        read_spec(spec(tmp_path, text, name))


def test_the_largest_spec_is_counted_before_it_is_made(tmp_path):
    assert (
        len(read_spec(spec(tmp_path, f'[[set]]\nclass = "bark"\nseeds = "1..{MAX_SETS}"')))
        == MAX_SETS
    )
    many = ", ".join(str(n / 100) for n in range(100))
    sweep = "{ " + ", ".join(f"c{i} = [{many}]" for i in range(5)) + " }"
    started = time.monotonic()
    with pytest.raises(InvalidRequestError, match="10,000,000,000 sets"):
        read_spec(spec(tmp_path, f'[[set]]\nclass = "bark"\ncontrols = {sweep}'))
    assert time.monotonic() - started < 5


def test_what_the_model_cannot_make_is_refused_before_any_work(batch, tmp_path):
    for bad, why in (
        ('class = "wool"', "unknown class"),
        ('class = "bark"\nsize = 33', "multiple of"),
        ('class = "bark"\ncontrols = { shine = 1 }', "shine"),
        ('class = "bark"\ncontrols = { relief_depth = [1, 900] }', "relief_depth"),
        ('name = "r"\nrecipe = "tg1:AAAA"', "recipe"),
    ):
        code, _, told = batch(text=f'[[set]]\nclass = "rock"\nsize = 64\n[[set]]\n{bad}\n')
        assert code == 2 and why in told and "line 4" in told, told
        assert not (tmp_path / "out").exists()


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


def test_the_spec_in_the_docs_can_be_made_by_the_shipped_model(tmp_path):
    chapter = (Path(__file__).parents[3] / "docs" / "pipeline.md").read_text(encoding="utf-8")
    text = chapter.split("```toml\n")[1].split("```")[0]
    card = find_card("material")
    recipe = write_recipe(make_recipe(card, [("bark", 1.0)], 1), card)
    items = read_spec(spec(tmp_path, text.replace("tg1:...", recipe)))
    check_items(items, None)
    assert [items[0].stem, items[-1].stem, len(items)] == ["castle_wall_1_v1", "door", 10]
