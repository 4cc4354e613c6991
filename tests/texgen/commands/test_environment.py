# SPDX-License-Identifier: Apache-2.0
"""``texgen environment`` against a real server: files, sidecar, cube, skybox, irradiance, sweeps;
what cannot be is refused.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from texgen.cli import main
from texgen.commands.environment import parse_sweep
from texgen.errors import InvalidRequestError
from texgen.files.images import decode_exr
from texgen.render.panorama import FACES, irradiance_harmonics, radiance_harmonics


@pytest.fixture
def environment(models, tmp_path):
    def run(*more):
        return main(
            [
                "environment",
                "--out",
                str(tmp_path),
                "--models",
                str(models),
                "--device",
                "torch",
                *more,
            ]
        )

    return run


def test_files_hold_one_environment(environment, tmp_path):
    extras = ("--cubemap", "--ldr", "--irradiance")
    assert (
        environment(
            "--class", "outdoor_clear", "--seed", "3", "--control", "sun_elevation_deg=12", *extras
        )
        == 0
    )
    sidecar = json.loads((tmp_path / "outdoor_clear_3.json").read_text())
    panorama = np.asarray(
        decode_exr((tmp_path / sidecar["files"]["environment"]).read_bytes()), np.float32
    )
    assert panorama.shape == (128, 256, 3)
    assert sidecar["lights"][0]["elevation_deg"] == 12.0
    assert set(sidecar["files"]) == {"environment", "preview", "ldr", "irradiance"} | {
        f"cube_{f}{e}" for f in FACES for e in ("", "_ldr")
    }
    assert all((tmp_path / name).is_file() for name in sidecar["files"].values())
    light = irradiance_harmonics(radiance_harmonics(panorama))
    assert np.allclose(sidecar["irradiance_harmonics"]["rgb"], light, rtol=1e-3, atol=1e-4)
    with Image.open(tmp_path / sidecar["files"]["ldr"]) as picture:
        assert (picture.size, picture.mode) == ((256, 128), "RGB")
    face = decode_exr((tmp_path / sidecar["files"]["cube_up"]).read_bytes())
    assert face.shape == (64, 64, 3)
    again = environment("--recipe", str(tmp_path / "outdoor_clear_3.json"), "--name", "again")
    assert again == 0
    same = decode_exr((tmp_path / "again_environment.exr").read_bytes())
    assert np.array_equal(same, panorama.astype(np.float16))


def test_a_sweep_is_one_place_in_frames(environment, tmp_path, capsys):
    assert (
        environment(
            "--class",
            "outdoor_clear",
            "--sweep",
            "sun_elevation_deg=-5..60",
            "--steps",
            "3",
            "--name",
            "day",
            "--json",
        )
        == 0
    )
    frames = json.loads(capsys.readouterr().out)["sets"]
    assert [f["controls"]["sun_elevation_deg"] for f in frames] == [-5.0, 27.5, 60.0]
    assert len({f["seed"] for f in frames}) == 1
    assert sorted(p.name for p in tmp_path.glob("day_*.exr")) == [
        f"day_{i}_environment.exr" for i in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--class", "outdoor_clear", "--recipe", "tg1:AAAA"),
        ("--recipe", "tg1:AAAA", "--seed", "3"),
        ("--class", "outdoor_clear", "--size", "1000"),
        ("--class", "outdoor_clear", "--sweep", "sun_elevation_deg"),
        ("--class", "outdoor_clear", "--sweep", "sun_elevation_deg=0..60", "--steps", "1"),
        ("--class", "outdoor_clear", "--name", "a/b"),
    ],
)
def test_bad_arguments_end_with_code_2_and_no_files(environment, tmp_path, arguments):
    assert environment(*arguments) == 2
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_unasked(environment, tmp_path):
    (tmp_path / "sky_environment.exr").write_bytes(b"mine")
    assert environment("--class", "indoor", "--name", "sky") == 9
    assert (tmp_path / "sky_environment.exr").read_bytes() == b"mine"
    assert environment("--class", "indoor", "--name", "sky", "--force") == 0


def test_sweeps_are_read():
    assert parse_sweep("exposure_ev=-1..1", 3) == [
        {"exposure_ev": -1.0},
        {"exposure_ev": 0.0},
        {"exposure_ev": 1.0},
    ]
    with pytest.raises(InvalidRequestError, match="such as sun_elevation_deg"):
        parse_sweep("exposure_ev=one..2", 3)
