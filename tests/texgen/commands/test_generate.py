# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from tests.texgen.commands.files import hashes
from texgen.cli import main


def test_the_main_job(run, tmp_path):
    code, out, _ = run(
        "generate",
        "--class",
        "brick=0.7,rock=0.3",
        "--seed",
        "7",
        "--size",
        "128x64",
        "--out",
        str(tmp_path),
        "--preview",
    )
    assert code == 0
    assert len(out.splitlines()) == 8
    assert (tmp_path / "brick-rock_7_preview.png").is_file()


def test_same_seed_same_bytes_other_seed_other_texture(run, tmp_path):
    folders = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        folders.append(tmp_path / name)
        code, _, _ = run(
            "generate",
            "--class",
            "bark",
            "--seed",
            str(seed),
            "--size",
            "64",
            "--out",
            str(folders[-1]),
        )
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
        (["--class", "bark", "--model", "wood"], 3, "there are environment, estimator, material"),
        (["--class", "bark", "--device", "abacus"], 2, "openvino"),
    ],
)
def test_bad_input_is_explained_and_leaves_nothing(
    models, capsys, tmp_path, arguments, code, words
):
    options = ["--models", str(models), *(() if "--device" in arguments else ("--device", "torch"))]
    assert (
        main(
            [
                "generate",
                *arguments,
                "--out",
                str(tmp_path),
                *options,
                *(() if "--size" in arguments else ("--size", "32")),
            ]
        )
        == code
    )
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_safe(run, tmp_path):
    (tmp_path / "bark_1_height.png").write_text("mine")
    code, _, err = run(
        "generate", "--class", "bark", "--seed", "1", "--size", "32", "--out", str(tmp_path)
    )
    assert (code, "--force" in err) == (9, True)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["mine"]
    assert (
        run(
            "generate",
            "--class",
            "bark",
            "--seed",
            "1",
            "--size",
            "32",
            "--out",
            str(tmp_path),
            "--force",
        )[0]
        == 0
    )


def test_an_existing_preview_is_safe_too(run, tmp_path):
    (tmp_path / "bark_1_preview.png").write_text("mine")
    ask = [
        "generate",
        "--class",
        "bark",
        "--seed",
        "1",
        "--size",
        "32",
        "--out",
        str(tmp_path),
        "--preview",
    ]
    code, _, err = run(*ask)
    assert (code, "--force" in err) == (9, True)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["mine"]
    assert run(*ask, "--force")[0] == 0
    assert run(*ask, "--format", "raw")[0] == 2


def test_windows_of_an_endless_field_meet(run, tmp_path):
    import numpy as np
    from PIL import Image

    for name, window in (("left", "0,0,64x64"), ("both", "0,0,96x64")):
        code, _, err = run(
            "generate",
            "--class",
            "bark",
            "--seed",
            "1",
            "--size",
            "128",
            "--endless",
            "--window",
            window,
            "--out",
            str(tmp_path),
            "--name",
            name,
        )
        assert code == 0, err
    left, both = (
        np.asarray(Image.open(tmp_path / f"{n}_basecolor.png")).astype(int)
        for n in ("left", "both")
    )
    assert np.abs(both[:, :64] - left).max() <= 1
