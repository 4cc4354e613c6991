# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json

from texgen.provenance.trial_certificate import (
    CHAIN_FILE,
    KEY_FILE,
    ROOT_FILE,
)


def test_a_batch_signs_and_what_it_made_unsigned_is_out_of_date(texgen, tmp_path, certificates):
    path, out = tmp_path / "spec.toml", tmp_path / "out"
    path.write_text('[[set]]\nclass = "bark"\nsize = 64\nseeds = [1, 2]\n')
    sign = ("--sign", certificates / CHAIN_FILE, "--sign-key", certificates / KEY_FILE)
    lock = ("--lock", tmp_path / "texgen.lock")
    assert texgen("batch", path, "--out", out, *lock)[0] == 0
    assert texgen("batch", path, "--out", out, *lock, *sign)[0] == 9
    assert (
        texgen("batch", path, "--out", out, *lock, *sign, "--resume")[0] == 0
    )  # signatures differ, what the lock says does not
    assert texgen("verify", out, "--require-signature", "--trust", certificates / ROOT_FILE)[0] == 0
    code, told = texgen("batch", path, "--out", out, *lock, *sign)
    assert (code, "2 up to date" in told.out) == (0, True)


def test_an_export_is_signed(texgen, tmp_path, certificates):
    sign = ("--sign", certificates / CHAIN_FILE, "--sign-key", certificates / KEY_FILE)
    assert (
        texgen("generate", "--class", "bark", "--seed", 3, "--size", 64, "--out", tmp_path / "a")[0]
        == 0
    )
    assert (
        texgen(
            "export",
            tmp_path / "a",
            "--preset",
            "unreal",
            "--out",
            tmp_path / "b",
            *sign,
            ours=False,
        )[0]
        == 0
    )
    assert texgen("verify", tmp_path / "b", "--require-signature", "--regenerate")[0] == 0


def test_watermarks_that_cannot_be_are_refused_before_any_work(texgen, tmp_path):
    for arguments in (("--format", "exr"), ("--window", "0,0,256x256")):
        code, told = texgen(
            "generate", "--class", "bark", "--watermark", "--out", tmp_path, *arguments
        )
        assert (code, "whole tiles of 8 bits" in told.err) == (2, True)
    path = tmp_path / "spec.toml"
    path.write_text('[[set]]\nclass = "bark"\nsize = 64\nwatermark = true\n')
    code, told = texgen("batch", path, "--out", tmp_path / "out")
    assert (code, "line 4: a watermark needs 256 px" in told.err) == (2, True)


def test_a_batch_marks_what_its_spec_says(texgen, tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text('[[set]]\nclass = "bark"\nsize = 256\npreset = "unreal"\nwatermark = true\n')
    assert texgen("batch", path, "--out", tmp_path / "out")[0] == 0
    code, told = texgen("verify", tmp_path / "out", "--regenerate", "--json")
    marks = {f["path"].rpartition("_")[2]: f["watermark"] for f in json.loads(told.out)["files"]}
    assert code == 0
    assert marks["BC.png"] and not marks["N.png"] and not marks["ORM.png"]
