# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil

import pytest

from texgen.errors import LoadError, NotFoundError
from texgen.modelcard import find_card, list_cards, models_folder, read_card


def test_the_card_says_what_can_be_asked(card):
    assert [c.name for c in card.classes if not c.preset] == ["bark", "brick", "rock"]
    assert [c.name for c in card.classes if c.preset] == ["ice"]
    assert {c.name for c in card.controls} >= {
        "tile_px",
        "regularity",
        "relief_depth",
        "roughness_offset",
    }
    assert all(c.minimum <= c.default <= c.maximum and c.description for c in card.controls)


def test_lookup_order(models, monkeypatch, tmp_path):
    monkeypatch.setenv("TEXGEN_MODELS", str(models))
    assert models_folder() == models
    assert models_folder(tmp_path) == tmp_path
    assert [c.id for c in list_cards()] == ["environment", "estimator", "material", "upscaler"]
    assert find_card("").id == "material"
    with pytest.raises(NotFoundError, match="there are environment, estimator, material, upscaler"):
        find_card("wood")
    with pytest.raises(NotFoundError):
        find_card("../material")
    with pytest.raises(NotFoundError, match="--models"):
        list_cards(tmp_path / "none")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.replace('"bark"', '"oak"'), "digest"),
        (lambda t: t.replace("[sizes]", "[size"), "not valid TOML"),
        (lambda t: t.replace('"kind"', '"sort"'), "incomplete"),
    ],
)
def test_a_changed_card_is_refused(models, tmp_path, change, words):
    shutil.copytree(models / "material", tmp_path / "material")
    path = tmp_path / "material" / "model.toml"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(LoadError, match=words):
        read_card(tmp_path / "material")
