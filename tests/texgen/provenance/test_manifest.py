# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from texgen.modelcard import find_card
from texgen.provenance.manifest import (
    AI_GENERATED,
    RECIPE_LABEL,
    build_manifest,
    trained_models,
)


def test_a_manifest_says_that_a_model_made_the_file_and_by_which_recipe(models):
    card = find_card("material", models)
    sidecar = {"recipe": "tg1:x", "model_digest": card.digest, "seed": 0, "timings_s": {"queue": 1}}
    manifest = build_manifest("map.png", sidecar, trained_models(models))
    actions, recipe = manifest["assertions"]
    assert manifest["title"] == "map.png"
    assert actions["data"]["actions"][0]["digitalSourceType"] == AI_GENERATED
    assert recipe["label"] == RECIPE_LABEL
    assert recipe["data"]["recipe"] == "tg1:x"
    assert recipe["data"]["model"] == f"{card.id} {card.version}"
    assert "timings_s" not in recipe["data"]


def test_a_folder_without_models_gives_no_training(tmp_path):
    assert trained_models(tmp_path / "absent") == {}
