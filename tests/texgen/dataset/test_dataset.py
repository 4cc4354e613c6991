# SPDX-License-Identifier: Apache-2.0
"""Data sets: whole, labelled, the same again, going on where they ended; views follow camera and
light.
"""

from __future__ import annotations

import gc
import json
import tarfile
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import webdataset

from texgen.cli import main
from texgen.dataset.plan import choose_sample, make_plan
from texgen.dataset.view import View, auto_exposure, random_view, render_view
from texgen.errors import InvalidRequestError
from texgen.files.images import decode_png
from texgen.maps import MapKind

MAPS = ("basecolor", "normal", "roughness", "metallic", "height", "ao")


@pytest.fixture
def dataset(models, tmp_path, capsys):
    def call(*arguments, out="data"):
        code = main(
            [
                "dataset",
                "--out",
                str(tmp_path / out),
                "--size",
                "64",
                *arguments,
                "--models",
                str(models),
                "--device",
                "torch",
            ]
        )
        told = capsys.readouterr()
        return code, told.out, told.err, tmp_path / out

    return call


def contents(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_shards_are_read_by_webdataset_and_labels_make_them_again(dataset, client):
    code, told, _, folder = dataset("--count", "5", "--shard", "2", "--json")
    assert code == 0
    assert json.loads(told)["made"] == 5
    assert [p.name for p in sorted(folder.glob("*.tar"))] == [
        f"texgen-00000{n}.tar" for n in range(3)
    ]
    shards = [str(p) for p in sorted(folder.glob("*.tar"))]
    samples = list(
        webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).decode("rgb8")
    )
    gc.collect()  # webdataset leaves its files to the collector, which warns
    assert [s["__key__"] for s in samples] == [f"{n:08d}" for n in range(5)]
    for sample in samples:
        assert {f"{kind}.png" for kind in MAPS} | {"view0.png", "view1.png"} <= set(sample)
        assert sample["view0.png"].shape == (64, 64, 3)
        label = sample["json"]
        assert label["class"] and label["output_licence"] and len(label["views"]) == 2
    label = samples[3]["json"]
    again = client.generate(recipe=label["recipe"]).maps[MapKind.BASECOLOR]
    assert np.array_equal(decode_png(again.data), samples[3]["basecolor.png"])


def test_the_same_plan_gives_the_same_bytes_and_goes_on_where_it_ended(dataset):
    folder = dataset("--count", "5", "--shard", "2")[3]
    whole = contents(folder)
    (folder / "texgen-000001.tar").unlink()
    (folder / ".texgen-000001.tar.9.partial").write_bytes(b"half")
    before = (folder / "texgen-000000.tar").stat().st_mtime_ns
    code, told, _, _ = dataset("--count", "5", "--shard", "2")
    assert code == 0
    assert told.startswith("2 samples made, 3 were there")
    assert contents(folder) == whole
    assert (folder / "texgen-000000.tar").stat().st_mtime_ns == before
    assert dataset("--count", "5", "--shard", "2")[1].startswith("0 samples made, 5")
    assert contents(dataset("--count", "5", "--shard", "2", "--seed", "1", out="other")[3]) != whole


def test_the_folder_form_holds_the_same_samples(dataset):
    tars, folder = (
        dataset("--count", "3", "--shard", "2")[3],
        dataset("--count", "3", "--form", "folder", out="folder")[3],
    )
    packed = {}
    for path in tars.glob("*.tar"):
        with tarfile.open(path) as tar:
            packed |= {m.name: tar.extractfile(m).read() for m in tar.getmembers()}
    loose = {p.name: p.read_bytes() for p in folder.glob("*/*")}
    assert loose == packed
    for label in folder.glob("*/*.json"):
        assert json.loads(label.read_text())["class"] == label.parent.name
    next(folder.glob("*/00000001.json")).unlink()
    assert dataset("--count", "3", "--form", "folder", out="folder")[1].startswith(
        "1 samples made, 2"
    )


def test_other_plans_and_other_peoples_folders_are_refused(dataset, tmp_path):
    folder = dataset("--count", "2")[3]
    code, _, told, _ = dataset("--count", "3")
    assert (code, "another plan" in told) == (2, True)
    (folder / "dataset.json").write_text("{}")
    assert dataset("--count", "2")[0] == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    code, _, told, _ = dataset("--count", "2", out="mine")
    assert (code, "thesis.txt" in told) == (9, True)
    assert contents(tmp_path / "mine") == {"thesis.txt": b"years of work"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--count", "0"),
        ("--classes", "wool"),
        ("--views", "99"),
        ("--spread", "2"),
        ("--shard", "0"),
        ("--jobs", "0"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(dataset, arguments):
    code, _, told, folder = dataset("--count", "2", *arguments)
    assert code == 2
    assert told.startswith("texgen: ")
    assert not folder.exists()


def model(**materials):
    classes = [SimpleNamespace(name=name, materials=count) for name, count in materials.items()]
    controls = [
        SimpleNamespace(name="age", minimum=-1.0, maximum=1.0, default_value=0.0),
        SimpleNamespace(name="relief", minimum=0.0, maximum=4.0, default_value=1.0),
        SimpleNamespace(name="tile_px", minimum=128.0, maximum=1024.0, default_value=512.0),
    ]
    return SimpleNamespace(id="m", digest="ab", classes=classes, controls=controls)


def plan_of(model, *chosen, balance=False, **rest):
    known = {
        "count": 1000,
        "size_px": 64,
        "seed": 3,
        "form": "webdataset",
        "views": 1,
        "shard": 100,
        "spread": 1.0,
    }
    return make_plan(model, chosen, balance=balance, **known | rest)


def counted(plan, first, last):
    return Counter(choose_sample(plan, n).class_name for n in range(first, last))


def test_classes_come_in_their_shares_in_any_stretch():
    rare = model(wood=90, snow=9, ice=1)
    natural, even = plan_of(rare), plan_of(rare, balance=True)
    for first in (0, 500):
        assert abs(counted(natural, first, first + 500)["wood"] - 450) <= 5
        assert all(abs(n - 500 / 3) <= 4 for n in counted(even, first, first + 500).values())
    assert set(counted(plan_of(rare, "ice", "snow", balance=True), 0, 50)) == {"ice", "snow"}


def test_controls_stay_in_their_ranges_and_sizes_alone():
    samples = [choose_sample(plan_of(model(wood=1)), n) for n in range(300)]
    relief = np.array([s.controls["relief"] for s in samples])
    assert relief.min() >= 0.0 and relief.max() <= 4.0 and relief.max() > 3.0
    assert np.median(np.abs(relief - 1.0)) < 0.4
    assert all("tile_px" not in s.controls for s in samples)
    assert len({s.seed for s in samples}) == 300
    still = choose_sample(plan_of(model(wood=1), spread=0.0), 5)
    assert still.controls == {"age": 0.0, "relief": 1.0}


def maps(edge=64):
    rng = np.random.default_rng(1)
    flat = np.zeros((edge, edge, 3), np.uint8) + np.array([128, 128, 255], np.uint8)
    grey = np.full((edge, edge, 1), 200, np.uint8)
    colour = np.kron(rng.integers(40, 216, (8, 8, 3)), np.ones((edge // 8, edge // 8, 1))).astype(
        np.uint8
    )
    return {
        MapKind.BASECOLOR: colour,
        MapKind.NORMAL: flat,
        MapKind.ROUGHNESS: grey,
        MapKind.METALLIC: grey * 0,
        MapKind.AO: np.full((edge, edge, 1), 255, np.uint8),
    }


ABOVE = View((0.5, 0.5, 1.0), (0.5, 0.5, 0.0), (0.0, 0.0, 1.0), (1.0, 1.0, 1.0), 1.0)


def test_a_view_from_above_shows_the_texture_the_right_way_up():
    colour = np.zeros((64, 64, 3), np.uint8) + 30
    colour[:16, :16] = (220, 30, 30)  # upper left
    near = replace(ABOVE, camera=(0.25, 0.75, 0.6), target=(0.25, 0.75, 0.0))
    picture = render_view(maps() | {MapKind.BASECOLOR: colour}, near, 64)
    red = picture[..., 0].astype(int) - picture[..., 1]
    assert red[:28, :28].mean() > 50 > 5 > red[36:, 36:].mean()


def test_views_repeat_with_the_tile_and_follow_the_light():
    tilted = replace(ABOVE, camera=(0.2, -0.6, 0.9), target=(0.3, 0.4, 0.0))
    moved = replace(tilted, camera=(1.2, -2.6, 0.9), target=(1.3, -1.6, 0.0))
    a, b = render_view(maps(), tilted, 48), render_view(maps(), moved, 48)
    assert np.abs(a.astype(int) - b).mean() < 1.0
    ramp = maps()
    slope = np.rint((np.array([-0.6, 0.0, 0.8]) * 0.5 + 0.5) * 255).astype(np.uint8)  # faces left
    ramp[MapKind.NORMAL] = np.zeros((64, 64, 3), np.uint8) + slope
    left, right = (
        render_view(ramp, replace(ABOVE, light=(x, 0.0, 0.6)), 32).mean() for x in (-0.8, 0.8)
    )
    assert left > right + 20
    warm = render_view(maps(), replace(ABOVE, light_rgb=(1.25, 1.0, 0.75)), 32).mean((0, 1))
    cool = render_view(maps(), replace(ABOVE, light_rgb=(0.75, 1.0, 1.25)), 32).mean((0, 1))
    assert warm[0] - warm[2] > cool[0] - cool[2] + 20


def test_bright_materials_are_not_merely_white():
    white = maps()
    white[MapKind.BASECOLOR] = np.clip(
        white[MapKind.BASECOLOR].astype(int) // 8 + 225, 0, 255
    ).astype(np.uint8)
    rng = np.random.default_rng(4)
    for view in (random_view(rng) for _ in range(20)):
        assert (render_view(white, view, 32, auto_exposure(white)) == 255).mean() < 0.05
    assert (
        auto_exposure(maps()) <= 1.0
        and auto_exposure(maps() | {MapKind.BASECOLOR: maps()[MapKind.BASECOLOR] // 8}) == 1.0
    )


def test_drawn_views_look_down_on_the_plane():
    rng = np.random.default_rng(2)
    for _ in range(200):
        view = random_view(rng)
        assert view.camera[2] > 0.5 and view.light[2] > 0.3
        assert np.isclose(np.linalg.norm(view.light), 1.0)
    picture = render_view(maps(), random_view(rng), 32)
    assert picture.std() > 5


def test_a_plan_that_cannot_be_is_refused():
    with pytest.raises(InvalidRequestError, match="wool"):
        plan_of(model(wood=1), "wool")
    with pytest.raises(InvalidRequestError, match="no plain name"):
        plan_of(model(**{"../../home": 1}))
