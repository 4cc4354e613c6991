# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from texgen.errors import InvalidRequestError
from texgen_server.training.catalog import OWN_LICENCE, read_catalog
from texgen_server.training.material.data import load_set
from texgen_server.training.material.scans import import_scans


def save(path, rng, mode="RGB", size=256, value=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "I;16":
        Image.fromarray(rng.integers(0, 65535, (size, size)).astype(np.uint16)).save(path)
        return
    shape = (size, size, 3) if mode == "RGB" else (size, size)
    values = rng.integers(0, 255, shape) if value is None else np.broadcast_to(value, shape)
    Image.fromarray(values.astype(np.uint8)).save(path)


@pytest.fixture
def scans(tmp_path, rng):
    root = tmp_path / "mine"
    for word in ("Color", "NormalGL", "Roughness", "Displacement"):  # ambientCG
        save(
            root / "bricks" / "Bricks042_1K-JPG" / f"Bricks042_1K-JPG_{word}.jpg",
            rng,
            "L" if word in ("Roughness", "Displacement") else "RGB",
        )
    for word in ("diff", "nor_dx"):  # Poly Haven
        save(root / "rock" / "cliff_1k" / f"cliff_{word}_1k.png", rng, value=[100, 60, 250])
    save(root / "rock" / "cliff_1k" / "cliff_arm_1k.png", rng, value=[200, 128, 0])
    for suffix, mode in (("basecolor", "RGB"), ("roughness", "L"), ("height", "I;16")):  # texgen
        save(root / f"bark_7_{suffix}.png", rng, mode)
    save(root / "bare_basecolor.png", rng)
    save(root / "tiny_basecolor.png", rng, size=32)
    save(root / "holiday.jpg", rng)
    return root


def test_sets_of_three_namings_are_taken_and_the_rest_is_explained(scans, tmp_path):
    report = import_scans(scans, tmp_path / "out")
    assert report.imported == {"Bricks042": "bricks", "cliff": "rock", "bark_7": "bark"}
    assert "roughness" in report.refused["bare"]
    assert "at least 256" in report.refused["tiny"]
    assert "no map word" in report.refused["holiday.jpg"]
    assert report.notes == {
        "cliff": "normal turned from DirectX to OpenGL",
        "bark_7": "normal made from height",
    }
    assert "3 sets taken, 3 refused" in report.text()


def test_what_is_taken_can_be_read_as_training_data(scans, tmp_path):
    import_scans(scans, tmp_path / "out")
    assets = read_catalog(tmp_path / "out")
    assert {a.licence for a in assets} == {OWN_LICENCE}
    for asset in assets:
        maps, relief = load_set(tmp_path / "out" / "materials" / asset.asset_id, asset, 256)
        assert maps.shape == (7, 256, 256)
        assert np.isfinite(maps).all()
        assert relief > 0
    cliff = next(a for a in assets if a.asset_id == "cliff")
    maps, _ = load_set(tmp_path / "out" / "materials" / "cliff", cliff, 256)
    assert maps[4].mean() == pytest.approx(128 / 255, abs=0.01)
    assert maps[6].mean() == pytest.approx(200 / 255, abs=0.01)


def test_a_folder_without_sets_says_what_was_wrong(tmp_path, rng):
    save(tmp_path / "mine" / "holiday.jpg", rng)
    with pytest.raises(InvalidRequestError, match=r"holiday.jpg: its name ends in no map word"):
        import_scans(tmp_path / "mine", tmp_path / "out")


def test_a_second_set_of_one_name_is_refused_and_does_not_replace_the_first(tmp_path, rng):
    for folder, red in (("a", 50), ("b", 200)):
        save(tmp_path / "mine" / folder / "wall_basecolor.png", rng, value=[red, 60, 60])
        save(tmp_path / "mine" / folder / "wall_roughness.png", rng, "L")
        save(tmp_path / "mine" / folder / "wall_height.png", rng, "L")
    report = import_scans(tmp_path / "mine", tmp_path / "out")
    assert report.imported == {"wall": "a"}
    (reason,) = report.refused.values()
    assert "rename" in reason
    with Image.open(tmp_path / "out" / "materials" / "wall" / "basecolor.webp") as picture:
        assert np.asarray(picture)[..., 0].mean() == pytest.approx(50)
