# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from texgen.errors import InvalidRequestError, OutputError
from texgen.files.material import recipe_text, write_material


def test_maps_and_sidecar_are_written_and_never_overwritten(client, tmp_path):
    material = client.generate("bark", seed=3, size_px=(64, 32))
    paths = write_material(material, tmp_path, "bark_3", force=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in paths)
    assert {p.name for p in paths} == {
        "bark_3_basecolor.png",
        "bark_3_normal_gl.png",
        "bark_3_roughness.png",
        "bark_3_metallic.png",
        "bark_3_height.png",
        "bark_3_ao.png",
        "bark_3.json",
    }
    sidecar = json.loads((tmp_path / "bark_3.json").read_text())
    for key in (
        "recipe",
        "model_digest",
        "engine",
        "seed",
        "size_px",
        "timings_s",
        "tileability_seam_percentile",
        "output_licence",
    ):
        assert sidecar[key] not in ("", None, {}), key
    assert sidecar["size_px"] == [64, 32]
    before = {p: p.read_bytes() for p in paths}
    with pytest.raises(OutputError, match="--force"):
        write_material(material, tmp_path, "bark_3", force=False)
    assert before == {p: p.read_bytes() for p in paths}
    write_material(material, tmp_path, "bark_3", force=True)


def test_an_unwritable_folder_says_so_and_nothing_is_left(client, tmp_path):
    material = client.generate("bark", seed=3, size_px=(32, 32))
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="--out"):
        write_material(material, tmp_path / "file", "bark_3", force=False)


def test_recipes_come_as_text_or_sidecar(tmp_path):
    (tmp_path / "a.json").write_text('{"recipe": "tg1:abc"}')
    (tmp_path / "b.json").write_text("[]")
    assert recipe_text("tg1:xyz") == "tg1:xyz"
    assert recipe_text(str(tmp_path / "a.json")) == "tg1:abc"
    for bad in (tmp_path / "b.json", tmp_path / "none.json"):
        with pytest.raises(InvalidRequestError):
            recipe_text(str(bad))
