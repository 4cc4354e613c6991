# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest


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
        pytest.param(["capture", "{brick}"], "none of PNG", marks=pytest.mark.torch),
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
