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


def test_models_are_shown_without_a_server(models, capsys):
    assert main(["models", "list", "--models", str(models)]) == 0
    assert "3 classes, 1 presets" in capsys.readouterr().out
    assert main(["models", "show", "material", "--models", str(models), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["licence"] == "CC0-1.0"
    assert main(["models", "show", "material", "--models", str(models)]) == 0
    assert "relief_depth" in capsys.readouterr().out


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


@pytest.fixture
def brick(run, tmp_path):
    run(
        "generate",
        "--class",
        "brick",
        "--seed",
        "3",
        "--size",
        "64",
        "--out",
        str(tmp_path),
        "--name",
        "brick",
    )
    return tmp_path / "brick.json"


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


def test_a_painted_mix_a_look_and_a_transition(run, brick, tmp_path):
    import numpy as np
    from PIL import Image

    run(
        "generate",
        "--class",
        "rock",
        "--seed",
        "4",
        "--size",
        "64",
        "--out",
        str(tmp_path),
        "--name",
        "rock",
    )
    rock, mask = str(tmp_path / "rock.json"), tmp_path / "mask.png"
    Image.fromarray(np.eye(16, dtype=np.uint8) * 255).save(mask)
    for name, extra in (
        ("paint", ["--mask", str(mask)]),
        ("look", ["--look", rock]),
        ("way", ["--transition", "12"]),
    ):
        recipes = [str(brick)] if name == "look" else [str(brick), rock]
        code, _, err = run("mix", *recipes, *extra, "--out", str(tmp_path), "--name", name)
        assert code == 0, err
    assert (tmp_path / "paint_basecolor.png").is_file()
    assert (tmp_path / "look_basecolor.png").is_file()
    assert len(list(tmp_path.glob("way_??.json"))) == 12
    assert json.loads((tmp_path / "way_02.json").read_text())["window_px"] == [64, 0, 64, 64]


@pytest.mark.torch
def test_a_capture_and_the_look_of_a_photo(run, brick, tmp_path, monkeypatch):
    import numpy as np
    from PIL import Image

    photo = tmp_path / "wall.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 96, 3)).astype(np.uint8)).save(
        photo
    )
    code, _, err = run(
        "capture", str(photo), "--size", "64", "--steps", "1", "--seed", "2", "--out", str(tmp_path)
    )
    assert code == 0, err
    assert (tmp_path / "capture_wall_2_height.png").is_file()
    monkeypatch.setattr(
        "texgen_server.rpc.requests.photo.DEFAULT_STEPS", 1
    )  # a look is a capture with as many as are usual
    code, _, err = run(
        "mix", str(brick), "--look", str(photo), "--out", str(tmp_path), "--name", "as_photo"
    )
    assert code == 0, err


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vary", "{brick}", "--lock", "smell"], "layout, colour, relief"),
        (["vary", "{brick}", "--amount", "2"], "amount 2"),
        (["vary", "{brick}", "--count", "0"], "--count 0"),
        (["vary", "nothing.json"], "neither a recipe"),
        (["mix", "{brick}"], "2 to 8"),
        (["mix", "{brick}", "{brick}", "--weights", "1"], "1 numbers for 2"),
        (["mix", "{brick}", "{brick}", "--mask", "nothing.png"], "cannot read the mask"),
        (["mix", "{brick}", "{brick}", "--transition", "99"], "1 to 16"),
        (["capture", "nothing.jpg"], "cannot read the photo"),
        pytest.param(["capture", "{brick}"], "readable PNG", marks=pytest.mark.torch),
        (["capture", "{brick}", "--palette", "red"], "RRGGBB"),
        (["generate", "--class", "bark", "--window", "5"], "X,Y,WIDTHxHEIGHT"),
        (["generate", "--class", "bark", "--name", "../x"], "plain file name"),
        (["generate", "--class", "bark", "--prompt", "old bark"], "one of the three"),
    ],
)
def test_bad_input_of_the_new_commands(run, brick, tmp_path, arguments, message):
    before = sorted(tmp_path.iterdir())
    code, _, err = run(
        *[a.replace("{brick}", str(brick)) for a in arguments], "--out", str(tmp_path)
    )
    assert code == 2
    assert message in err
    assert sorted(tmp_path.iterdir()) == before
