# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import gc
import json
import tarfile

import numpy as np
import pytest
import webdataset

from tests.texgen.dataset.sets import MAPS, contents
from texgen.files.images import decode_png
from texgen.maps import MapKind


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
