# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.texgen.provenance.signed_sets import written
from texgen.files.images import encode_png
from texgen.modelcard import find_card
from texgen.provenance.regenerate import compare_samples
from texgen.provenance.trial_certificate import (
    CHAIN_FILE,
    KEY_FILE,
    ROOT_FILE,
)
from texgen.provenance.verify import Verifier


def test_a_set_is_made_signed_verified_and_made_again(texgen, tmp_path, certificates, models):
    out, sign = (
        tmp_path / "out",
        ("--sign", certificates / CHAIN_FILE, "--sign-key", certificates / KEY_FILE),
    )
    assert (
        texgen(
            "generate",
            "--class",
            "bark",
            "--seed",
            3,
            "--size",
            256,
            "--out",
            out,
            "--preview",
            "--watermark",
            *sign,
        )[0]
        == 0
    )
    code, told = texgen(
        "verify",
        out,
        "--trust",
        certificates / ROOT_FILE,
        "--require-signature",
        "--regenerate",
        "--json",
    )
    files = {f["path"].rpartition("/")[2]: f for f in json.loads(told.out)["files"]}
    assert code == 0
    assert len(files) == 7
    assert {f["status"] for f in files.values()} == {"signed"}
    again = [f for name, f in files.items() if "preview" not in name]
    assert all("made again: the same, sample for sample" in f["notes"] for f in again)
    digest = find_card("", models).digest
    assert {name for name, f in files.items() if f["watermark"]} == {"bark_3_basecolor.png"}
    assert files["bark_3_basecolor.png"]["watermark"].startswith(digest[:4])
    manifest = Verifier(models=models).verify(out / "bark_3_height.png")
    assert manifest.model == "material " + find_card("", models).version


@pytest.mark.parametrize(
    "arguments", [("--format", "exr"), ("--preset", "unreal"), ("--window", "10,-20,96x64")]
)
def test_what_is_made_otherwise_is_made_again_too(texgen, tmp_path, arguments):
    assert (
        texgen(
            "generate",
            "--class",
            "bark",
            "--seed",
            3,
            "--size",
            128,
            "--out",
            tmp_path / "out",
            *arguments,
        )[0]
        == 0
    )
    code, told = texgen("verify", tmp_path / "out", "--regenerate", "--json")
    files = json.loads(told.out)["files"]
    assert code == 0
    assert all(
        any(n.startswith("made again: the same") for n in f["notes"])
        for f in files
        if not f["path"].endswith(".txt")
    )


def test_another_picture_under_a_recipe_is_found(texgen, tmp_path):
    assert (
        texgen("generate", "--class", "bark", "--seed", 3, "--size", 64, "--out", tmp_path / "a")[0]
        == 0
    )
    path = tmp_path / "a" / "bark_3_basecolor.png"
    with Image.open(path) as picture:
        recipe, pixels = picture.text["texgen:recipe"], np.array(picture)
    alone = tmp_path / "my_basecolor.png"
    alone.write_bytes(encode_png(pixels, srgb=True, text={"texgen:recipe": recipe}))
    assert texgen("verify", alone, "--regenerate")[0] == 0
    alone.write_bytes(encode_png(255 - pixels, srgb=True, text={"texgen:recipe": recipe}))
    code, told = texgen("verify", alone, "--regenerate", "--json")
    assert code == 11
    assert "another picture" in json.loads(told.out)["files"][0]["problems"][0]


def test_another_engine_may_differ_a_little_in_half_floats_too():
    here = np.random.default_rng(1).random((32, 32, 3)).astype(np.float16) * np.float16(9.0)
    near, far = here * np.float16(1.001), here[::-1] * np.float16(0.5)
    assert compare_samples(near, here, "torch-cpu/f32", "openvino-cpu/bf16")[0]
    assert not compare_samples(far, here, "torch-cpu/f32", "openvino-cpu/bf16")[0]
    assert not compare_samples(near, here, "torch-cpu/f32", "torch-cpu/f32")[0]


def test_a_recipe_of_a_model_that_is_not_here_is_told_and_the_rest_goes_on(texgen, tmp_path):
    folder = written(
        tmp_path / "a",
        {
            "my_ao.png": encode_png(
                np.zeros((4, 4, 1), np.uint8), srgb=False, text={"texgen:recipe": "tg1:AAAA"}
            )
        },
    )
    code, told = texgen("verify", folder, "--regenerate", "--json")
    assert code == 0
    assert any("not made again" in note for note in json.loads(told.out)["files"][0]["notes"])
