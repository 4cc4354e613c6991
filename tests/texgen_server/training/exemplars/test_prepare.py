# SPDX-License-Identifier: Apache-2.0
"""Exemplars from a tiny data folder."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from texgen.errors import InvalidRequestError
from texgen_server.layout import Family
from texgen_server.repair.normal_integration import central_slopes, integrate
from texgen_server.training.exemplars.families import read_layouts
from texgen_server.training.exemplars.light import flatten_light
from texgen_server.training.exemplars.pack import prepare_pack, read_pack
from texgen_server.training.exemplars.prepare import CHANNELS, HEIGHT, NORMAL, normal_vectors
from texgen_server.training.exemplars.surface import integrate_without_drift, slope_agreement

FAMILY_COLUMNS = [
    "asset_id",
    "right_class",
    "family",
    "stored_px",
    "native_grid",
    "grid_512",
    "group",
    "n_rows",
    "n_cols",
    "row_axis",
    "row_equal",
    "row_boundaries_px",
    "copies",
    "directional",
    "flags",
    "quality",
]
SIZE = 64


def bumps() -> np.ndarray:
    y, x = np.mgrid[0:SIZE, 0:SIZE] * (2 * np.pi / SIZE)
    return (1.5 * np.sin(2 * x) * np.cos(3 * y)).astype(np.float32)


def normals_of(height: np.ndarray) -> np.ndarray:
    right, down = central_slopes(height)
    normal = np.stack([-right, down, np.ones_like(right)], -1)
    return normal / np.linalg.norm(normal, axis=-1, keepdims=True)


def save(path, values):
    Image.fromarray(np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)).save(
        path, lossless=True
    )


def make_data(folder, flags="", **columns):
    """One set with a height; its normal agrees with it."""
    maps = folder / "materials" / "Toy001"
    maps.mkdir(parents=True)
    rng = np.random.default_rng(1)
    save(maps / "basecolor.webp", rng.random((SIZE, SIZE, 3)))
    save(maps / "normal.webp", normals_of(bumps()) * 0.5 + 0.5)
    save(maps / "roughness.webp", rng.random((SIZE, SIZE)))
    save(maps / "height.webp", bumps() / 3.0 + 0.5)
    row = (
        dict.fromkeys(FAMILY_COLUMNS, "")
        | {
            "asset_id": "Toy001",
            "right_class": "brick",
            "family": "S",
            "stored_px": str(SIZE),
            "native_grid": "72x64",
            "grid_512": "40x32",
            "quality": "4",
            "flags": flags,
        }
        | columns
    )
    material = {
        "asset_id": "Toy001",
        "publisher": "nobody",
        "class": "brick",
        "licence": "CC0-1.0",
        "source_repository": "",
        "metallic_default": "0",
    }
    material |= {"geometry_group": ""}
    classes = {"class": "brick", "asset_ids": "Toy001", "keep_out_of_random_draw_(quality<3)": ""}
    for name, line in (("families", row), ("materials", material), ("classes", classes)):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(line))
            writer.writeheader()
            writer.writerow(line)
    return folder


def prepared(tmp_path, flags="", **columns):
    data = make_data(tmp_path / "data", flags, **columns)
    assert [name for _, _, name in prepare_pack(data, tmp_path / "pack")] == ["Toy001"]
    return read_pack(tmp_path / "pack")


def test_an_exemplar_lies_on_both_grids_with_heights_that_agree(tmp_path):
    pack = prepared(tmp_path)
    assert pack.grids["Toy001"] == {"small": (32, 40), "own": (64, 72)}
    for grid, size in pack.grids["Toy001"].items():
        exemplar = pack.read("Toy001", grid)
        assert exemplar.maps.shape == (*size, len(CHANNELS))
        assert exemplar.about.slope_agreement > 0.95
        assert exemplar.about.constants == {"metallic": 0.0}
        assert exemplar.about.height_source == "scan and normal"
        assert exemplar.about.metres == 1.6
    assert np.linalg.norm(exemplar.maps[..., NORMAL], axis=-1).max() < 1.0


def test_an_inverted_relief_is_turned_with_its_normals(tmp_path):
    straight, turned = (
        prepared(tmp_path / name, flags).read("Toy001", "own")
        for name, flags in (("a", ""), ("b", "inverted"))
    )
    assert (
        np.corrcoef(straight.maps[..., HEIGHT].ravel(), turned.maps[..., HEIGHT].ravel())[0, 1]
        < -0.95
    )
    assert np.abs(straight.maps[..., NORMAL] + turned.maps[..., NORMAL]).max() < 0.05
    assert turned.about.slope_agreement > 0.95
    assert turned.about.corrections == ("relief turned",)


def test_a_bad_height_is_integrated_from_the_normal(tmp_path):
    exemplar = prepared(tmp_path, "badheight").read("Toy001", "own")
    assert exemplar.about.height_source == "normal"
    assert exemplar.about.slope_agreement > 0.95


def test_slopes_that_disagree_are_noticed():
    maps = np.zeros((SIZE, SIZE, 9), np.float32)
    maps[..., NORMAL] = normals_of(bumps())[..., :2]
    assert slope_agreement(normal_vectors(maps), bumps()) > 0.95
    assert slope_agreement(normal_vectors(maps), -bumps()) < -0.95


def test_noise_of_normals_does_not_add_up_to_hills():
    rng = np.random.default_rng(0)
    right, down = (
        part + 0.1 * rng.standard_normal((SIZE, SIZE)).astype(np.float32)
        for part in central_slopes(bumps())
    )
    hills = [
        np.abs(np.fft.fft2(made - bumps())[0, 1:3]).mean()
        for made in (integrate(right, down), integrate_without_drift(right, down))
    ]
    assert hills[1] < 0.5 * hills[0]
    clean = integrate_without_drift(*central_slopes(bumps()))
    assert np.corrcoef(clean.ravel(), bumps().ravel())[0, 1] > 0.99


def test_light_is_flattened_and_detail_stays():
    y, x = np.mgrid[0:SIZE, 0:SIZE] * (2 * np.pi / SIZE)
    lamp, detail = 1.0 + 0.4 * np.sin(x), 1.0 + 0.1 * np.sin(14 * y)
    colour = np.repeat((0.3 * lamp * detail)[..., None], 3, -1).astype(np.float32)
    even = flatten_light(colour)
    assert even.mean(0).std() < 0.15 * colour.mean(0).std()
    assert even.mean(1).std() == pytest.approx(colour.mean(1).std(), rel=0.35)
    assert even.mean() == pytest.approx(colour.mean(), rel=0.1)


def test_rows_are_read_and_a_wrong_grid_is_refused(tmp_path):
    columns = {
        "family": "L1",
        "row_axis": "x",
        "row_equal": "no",
        "n_cols": "3",
        "row_boundaries_px": "7 23 46",
    }
    data = make_data(tmp_path / "a", **columns)
    layout = read_layouts(data / "families.csv")["Toy001"]
    assert layout.family is Family.ROWS
    assert layout.rows.count == 3
    assert layout.rows.boundaries == (7 / 64, 23 / 64, 46 / 64)
    with pytest.raises(InvalidRequestError, match="multiples of 8"):
        read_layouts(make_data(tmp_path / "b", native_grid="63x64") / "families.csv")


def test_a_set_without_a_normal_is_refused(tmp_path):
    data = make_data(tmp_path / "data")
    (data / "materials" / "Toy001" / "normal.webp").unlink()
    with pytest.raises(InvalidRequestError, match="no normal"):
        list(prepare_pack(data, tmp_path / "pack"))
