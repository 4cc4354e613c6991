# SPDX-License-Identifier: Apache-2.0
"""The split of exemplars."""

from __future__ import annotations

from texgen_server.training.catalog import Asset, read_split
from texgen_server.training.exemplars.split import extend_split, read_validation


def asset(name: str, group: str = "", kind: str = "rock") -> Asset:
    return Asset(name, "nobody", kind, False, "CC0-1.0", 0.0, group or name, "")


def test_the_committed_part_keeps_its_split():
    assert read_split() <= read_validation()


def test_new_assets_follow_those_they_resemble(tmp_path):
    held, trained = sorted(read_split())[0], "Bricks006"
    assert trained not in read_split()
    pairs = tmp_path / "near.csv"
    pairs.write_text(f"asset_id,near_duplicate_of,how\nNewA,{held},same\nNewB,{trained},same\n")
    new = [asset("NewA"), asset("NewB"), *(asset(f"New{i}") for i in range(20))]
    found = extend_split([asset(held), asset(trained), *new], {}, pairs)
    assert "NewA" in found
    assert "NewB" not in found
    others = [a.asset_id for a in new[2:] if a.asset_id in found]
    assert 1 <= len(others) <= 3


def test_groups_are_not_torn(tmp_path):
    pairs = tmp_path / "near.csv"
    pairs.write_text("asset_id,near_duplicate_of,how\n")
    new = [asset(f"New{i}", group=f"G{i // 2}") for i in range(30)]
    found = extend_split(new, {}, pairs)
    assert any(a.asset_id in found for a in new)
    for i in range(0, 30, 2):
        assert (f"New{i}" in found) == (f"New{i + 1}" in found)
