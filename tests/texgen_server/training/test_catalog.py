# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
from collections import Counter

import pytest

from texgen.errors import InvalidRequestError
from texgen_server.training.catalog import SPLIT_FILE, Asset, make_split, read_catalog, read_split


def committed():
    with SPLIT_FILE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_committed_split_is_about_a_tenth_and_keeps_groups_whole():
    rows = committed()
    held = read_split()
    assert 0.08 < len(held) / len(rows) < 0.14
    parts = {}
    for row in rows:
        parts.setdefault(row["geometry_group"], set()).add(row["part"])
    assert all(len(p) == 1 for p in parts.values())


def test_every_class_keeps_three_training_assets_or_is_a_preset():
    import tomllib

    from texgen_server.training.catalog import CLASSES_FILE

    presets = set(tomllib.loads(CLASSES_FILE.read_text())["presets"]["classes"])
    count = Counter(
        r["class"] for r in committed() if r["part"] == "train" and r["class"] not in presets
    )
    assert min(count.values()) >= 3
    assert not any(r["part"] == "validation" for r in committed() if r["class"] in presets)


def test_the_split_is_what_the_rule_gives():
    presets = {"terrazzo", "rubber", "ice", "facade", "ceiling", "carbon_fibre"}
    assets = [
        Asset(
            r["asset_id"],
            "",
            r["class"],
            r["class"] in presets,
            "CC0-1.0",
            0.0,
            r["geometry_group"],
            "",
        )
        for r in committed()
    ]
    assert make_split(assets) == read_split()


def test_what_is_not_cc0_stops_training(tmp_path):
    header = "asset_id,publisher,class,licence,source_repository,metallic_default,geometry_group\n"
    (tmp_path / "materials.csv").write_text(header + "A,x,metal,CC-BY-4.0,y,0,A\n")
    with pytest.raises(InvalidRequestError, match="not CC0"):
        read_catalog(tmp_path)
    with pytest.raises(InvalidRequestError, match=r"materials\.csv"):
        read_catalog(tmp_path / "none")
