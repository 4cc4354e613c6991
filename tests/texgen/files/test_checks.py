# SPDX-License-Identifier: Apache-2.0
"""Checks of anybody's textures: each finds what it is there for, and leaves good ones alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from texgen.cli import main
from texgen.files.checks import convention, tileability
from texgen.files.images import encode_png


def waves(edge=128, seed=0, *, periods=(1.0, 2.0, 3.0, 5.0)):
    """A smooth relief that tiles where all periods are whole: (H, W) in 0..1."""
    rng, at = np.random.default_rng(seed), np.arange(edge) / edge * 2 * np.pi
    relief = sum(
        np.cos(a * rng.choice(periods) + rng.random() * 6)
        * np.cos(b * rng.choice(periods) + rng.random() * 6)
        for a, b in [(at[:, None], at[None])] * 12
    )
    return (relief - relief.min()) / np.ptp(relief)


def normal_of(relief, *, green=1.0, strength=20.0):
    right = (np.roll(relief, -1, 1) - np.roll(relief, 1, 1)) * strength
    down = (np.roll(relief, -1, 0) - np.roll(relief, 1, 0)) * strength
    normal = np.dstack([-right, green * down, np.ones_like(relief)])
    return normal / np.linalg.norm(normal, axis=2, keepdims=True)


def eight(values):
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8).reshape(*values.shape[:2], -1)


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


@pytest.mark.parametrize("seed", range(20))
def test_what_tiles_is_not_blamed_and_what_does_not_is(seed):
    assert tileability(eight(waves(seed=seed))) > 0.8
    rolled = np.roll(waves(seed=seed), (31, 57), (0, 1))
    assert tileability(eight(rolled)) > 0.8
    assert tileability(eight(waves(seed=seed, periods=(0.7, 1.3, 2.4)))) < 0.8


def test_noise_tiles_as_well_as_anything():
    assert (
        tileability(np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)) > 0.8
    )
    assert tileability(np.full((8, 8, 1), 7, np.uint8)) == 1.0


@pytest.mark.parametrize("seed", range(10))
def test_the_convention_is_told_from_the_normals_alone(seed):
    relief = waves(seed=seed)
    assert convention(normal_of(relief).astype(np.float32))[0] == "OpenGL"
    assert convention(normal_of(relief, green=-1.0).astype(np.float32))[0] == "DirectX"
    assert (
        convention(
            np.dstack([np.zeros((8, 8)), np.zeros((8, 8)), np.ones((8, 8))]).astype(np.float32)
        )[0]
        == "unclear"
    )


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
        "T_wall_H.png has 8 bits, the preset wants 16",
        "3 channels",
        "marked as sRGB",
    ):
        assert words in told


def test_recipes_are_made_shown_and_make_the_same(models, tmp_path, capsys):
    common = ["--models", str(models)]
    wanted = [
        "--class",
        "brick=0.7,rock=0.3",
        "--seed",
        "7",
        "--size",
        "64",
        "--control",
        "relief_depth=2",
    ]
    assert main(["recipe", "make", *wanted, *common]) == 0
    text = capsys.readouterr().out.strip()
    assert (
        main(["generate", *wanted, "--out", str(tmp_path), "--device", "torch", *common, "--json"])
        == 0
    )
    assert json.loads(capsys.readouterr().out)["sets"][0]["recipe"] == text
    assert main(["recipe", "show", text, *common]) == 0
    told = capsys.readouterr().out
    assert "brick 70%, rock 30%" in told and "relief_depth 2" in told and "64 x 64" in told
    (sidecar,) = tmp_path.glob("*.json")
    assert main(["recipe", "show", str(sidecar), "--json", *common]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 7
    assert main(["recipe", "show", text[:-3] + "AAA", *common]) == 2
    assert main(["recipe", "show", text, "--models", str(tmp_path)]) == 3
    assert "no model" in capsys.readouterr().err
