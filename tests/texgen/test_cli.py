# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json

import pytest

from texgen.cli import main


@pytest.fixture
def run(models, capsys):
    def call(*arguments, embedded=True):
        extra = ["--models", str(models), "--device", "torch"] if embedded else []
        code = main([*arguments, *extra])
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def hashes(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*.png")}


def test_the_main_job(run, tmp_path):
    code, out, _ = run("generate", "--class", "brick=0.7,rock=0.3", "--seed", "7", "--size", "128x64", "--out", str(tmp_path), "--preview")
    assert code == 0
    assert len(out.splitlines()) == 8
    assert (tmp_path / "brick-rock_7_preview.png").is_file()


def test_same_seed_same_bytes_other_seed_other_texture(run, tmp_path):
    folders = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        folders.append(tmp_path / name)
        code, _, _ = run("generate", "--class", "bark", "--seed", str(seed), "--size", "64", "--out", str(folders[-1]))
        assert code == 0
    first, again, other = map(hashes, folders)
    assert first == again
    assert set(first.values()).isdisjoint(v for k, v in other.items() if "metallic" not in k)


def test_a_recipe_makes_it_again(run, tmp_path):
    run(
        "generate",
        "--class",
        "bark",
        "--seed",
        "5",
        "--size",
        "64",
        "--control",
        "relief_depth=2",
        "--psi",
        "0.8",
        "--out",
        str(tmp_path / "a"),
    )
    sidecar = tmp_path / "a" / "bark_5.json"
    assert run("generate", "--recipe", str(sidecar), "--out", str(tmp_path / "b"))[0] == 0
    text = json.loads(sidecar.read_text())["recipe"]
    assert run("generate", "--recipe", text, "--out", str(tmp_path / "c"))[0] == 0
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b") == hashes(tmp_path / "c")


def test_json_is_one_object(run, tmp_path):
    code, out, _ = run("generate", "--class", "ice", "--count", "2", "--seed", "1", "--size", "32", "--out", str(tmp_path), "--json")
    document = json.loads(out)
    assert code == 0
    assert [s["seed"] for s in document["sets"]] == [1, 2]
    assert len(hashes(tmp_path)) == 12


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--class", "wool"], 2, "bark, brick, rock, ice"),
        (["--class", "bark", "--size", "0"], 2, "32 to 8192"),
        (["--class", "bark", "--size", "33"], 2, "32 and 64"),
        (["--class", "bark", "--size", "100000"], 2, "32 to 8192"),
        (["--class", "bark", "--control", "relief_depth=nan"], 2, "0 to 4"),
        (["--class", "bark", "--control", "relief_depth=5"], 2, "0 to 4"),
        (["--class", "bark", "--seed", "-1"], 2, "whole numbers"),
        (["--class", "bark", "--psi", "nan"], 2, "psi"),
        (["--class", "bark", "--recipe", "tg1:AAAA"], 2, "one of the three"),
        (["--recipe", "tg1:AAAA"], 2, "damaged"),
        (["--recipe", "tg1:AAAA", "--seed", "4"], 2, "do not go with it"),
        ([], 2, "--class"),
        (["--class", "bark", "--model", "wood"], 3, "there are material"),
        (["--class", "bark", "--device", "abacus"], 2, "openvino"),
    ],
)
def test_bad_input_is_explained_and_leaves_nothing(models, capsys, tmp_path, arguments, code, words):
    options = ["--models", str(models), *(() if "--device" in arguments else ("--device", "torch"))]
    assert main(["generate", *arguments, "--out", str(tmp_path), *options, *(() if "--size" in arguments else ("--size", "32"))]) == code
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_safe(run, tmp_path):
    (tmp_path / "bark_1_height.png").write_text("mine")
    code, _, err = run("generate", "--class", "bark", "--seed", "1", "--size", "32", "--out", str(tmp_path))
    assert (code, "--force" in err) == (9, True)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["mine"]
    assert run("generate", "--class", "bark", "--seed", "1", "--size", "32", "--out", str(tmp_path), "--force")[0] == 0


def test_an_existing_preview_is_safe_too(run, tmp_path):
    (tmp_path / "bark_1_preview.png").write_text("mine")
    ask = ["generate", "--class", "bark", "--seed", "1", "--size", "32", "--out", str(tmp_path), "--preview"]
    code, _, err = run(*ask)
    assert (code, "--force" in err) == (9, True)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["mine"]
    assert run(*ask, "--force")[0] == 0
    assert run(*ask, "--format", "raw")[0] == 2


def test_server_problems(run, server, tmp_path):
    wrong = tmp_path / "token"
    wrong.write_text("guess\n")
    ask = ["generate", "--class", "bark", "--seed", "1", "--size", "32", "--out", str(tmp_path / "o")]
    code, _, err = run(*ask, "--server", "127.0.0.1:1", embedded=False)
    assert (code, "texgen serve" in err) == (7, True)
    code, _, err = run(*ask, "--server", server, "--token-file", str(wrong), embedded=False)
    assert (code, "token" in err) == (8, True)
    code, _, err = run(*ask, "--server", server, "--token-file", str(tmp_path / "none"), embedded=False)
    assert (code, "token file" in err) == (2, True)
    wrong.write_text("secret\n")
    assert run(*ask, "--server", server, "--token-file", str(wrong), embedded=False)[0] == 0


def test_models_are_shown_without_a_server(models, capsys):
    assert main(["models", "list", "--models", str(models)]) == 0
    assert "3 classes, 1 presets" in capsys.readouterr().out
    assert main(["models", "show", "material", "--models", str(models), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["licence"] == "CC0-1.0"
    assert main(["models", "show", "material", "--models", str(models)]) == 0
    assert "relief_depth" in capsys.readouterr().out


def test_errors_as_json(models, capsys, tmp_path):
    code = main(
        ["generate", "--class", "wool", "--seed", "1", "--out", str(tmp_path), "--models", str(models), "--device", "torch", "--json"]
    )
    assert code == 2
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "InvalidRequestError"


def test_a_port_to_the_world_is_refused(capsys):
    assert main(["serve", "--listen", "0.0.0.0:0"]) == 2
    assert "loopback" in capsys.readouterr().err
