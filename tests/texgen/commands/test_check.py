# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.texgen.files.maps import eight, normal_of, waves
from texgen.cli import main
from texgen.files.images import encode_png


@pytest.fixture
def folder(tmp_path):
    """A good set."""
    relief = waves()
    rng = np.random.default_rng(3)
    maps = {
        "basecolor": eight(0.3 + 0.3 * np.dstack([relief] * 3)),
        "normal_gl": eight(normal_of(relief) * 0.5 + 0.5),
        "roughness": eight(relief),
        "metallic": eight((relief > 0.5).astype(float)),
        "height": np.round(relief * 65535).astype(np.uint16)[..., None],
        "ao": eight(0.5 + 0.5 * rng.random((128, 128))),
    }
    for name, pixels in maps.items():
        (tmp_path / f"wall_{name}.png").write_bytes(encode_png(pixels, srgb=name == "basecolor"))
    return tmp_path


def checked(capsys, *arguments):
    code = main(["check", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)["sets"]


def problems(capsys, folder):
    code, sets = checked(capsys, folder)
    assert code == 11
    return " ".join(
        problem for s in sets for owner in (s, *s["files"]) for problem in owner["problems"]
    )


def test_a_good_set_passes_and_says_its_facts(folder, capsys):
    code, (entry,) = checked(capsys, folder)
    assert code == 0, entry
    facts = {f["kind"]: f["facts"] for f in entry["files"]}
    assert facts["normal"]["convention"] == "OpenGL" and facts["height"]["levels"] > 256
    assert main(["check", str(folder)]) == 0
    assert "wall_normal_gl.png" in capsys.readouterr().out


def test_each_fault_is_found(folder, capsys):
    relief = waves()

    def put(name, pixels):
        (folder / f"wall_{name}.png").write_bytes(encode_png(pixels, srgb=False))

    faults = [
        ("normal_gl", eight(normal_of(relief, green=-1.0) * 0.5 + 0.5), "looks like DirectX"),
        ("normal_gl", eight((normal_of(relief) * 0.5 + 0.5) ** 2.2), "not of length 1"),
        ("height", eight(relief), "8 bits are too few"),
        ("height", (eight(relief).astype(np.uint16) * 257), "made from 8"),
        ("metallic", eight(np.full((128, 128), 0.5)), "neither metal nor not"),
        ("basecolor", eight(np.zeros((128, 128, 3))), "darker than coal"),
        ("basecolor", eight(np.ones((128, 128, 3))), "brighter than fresh snow"),
        ("roughness", eight(waves(periods=(0.7, 1.3))), "a seam shows"),
        ("ao", eight(waves(126)), "multiples of 4"),
        ("ao", eight(waves(64)), "sizes differ"),
    ]
    for name, pixels, words in faults:
        good = (folder / f"wall_{name}.png").read_bytes()
        put(name, pixels)
        assert words in problems(capsys, folder), words
        (folder / f"wall_{name}.png").write_bytes(good)


def test_the_limit_can_be_chosen_and_must_make_sense(folder, capsys):
    (folder / "wall_roughness.png").write_bytes(
        encode_png(eight(waves(periods=(0.7, 1.3))), srgb=False)
    )
    assert checked(capsys, folder, "--min-tileability", "0")[0] == 0
    assert main(["check", str(folder), "--min-tileability", "7"]) == 2


def test_against_a_preset(folder, tmp_path, capsys):
    out = tmp_path / "unreal"
    assert main(["export", str(folder), "--preset", "unreal", "--out", str(out)]) == 0
    capsys.readouterr()
    assert checked(capsys, out, "--preset", "unreal")[0] == 0
    (out / "T_wall_N.png").unlink()
    (out / "T_wall_H.png").write_bytes((out / "T_wall_BC.png").read_bytes())
    told = " ".join(checked(capsys, out, "--preset", "unreal", "--stem", "wall")[1][0]["problems"])
    for words in (
        "T_wall_N.png is missing",
        "T_wall_H.png has 8 bits, the preset needs 16",
        "3 channels",
        "marked as sRGB",
    ):
        assert words in told
