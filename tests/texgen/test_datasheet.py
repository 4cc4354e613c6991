# SPDX-License-Identifier: Apache-2.0
"""The data sheet names every asset, licence and known bias; an export keeps what people wrote."""

from __future__ import annotations

import json

import pytest

from tests.tiny import write_tiny_model
from texgen.cli import main
from texgen.modelcard import list_cards, read_card


@pytest.mark.parametrize("card", list_cards(), ids=lambda card: card.id)
def test_shipped_models_show_assets_licences_balance_and_bias(card, capsys):
    assert main(["models", "show", card.id]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assets = [name for c in card.classes for name in c.materials] or card.data.get("assets", [])
    assert all(name in words for name in assets)
    assert f"weights {card.licence}, output {card.output_licence}" in words
    assert "training data, CC0-1.0" in words
    assert card.data["known_bias"]
    assert all(" ".join(line.split()) in words for line in card.data["known_bias"])
    assert all(f"{c.name} {len(c.materials)} #" in words for c in card.classes)
    assert main(["models", "show", card.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["known_bias"] == card.data["known_bias"]


def test_an_export_over_a_model_keeps_its_known_bias(tmp_path):
    folder = tmp_path / "material"
    write_tiny_model(folder)
    assert "known_bias" not in read_card(folder).data
    path = folder / "model.toml"
    path.write_text(
        path.read_text().replace("[data]\n", '[data]\n"known_bias" = ["likes bricks"]\n')
    )
    digest = read_card(folder).digest
    write_tiny_model(folder, seed=9)
    assert read_card(folder).data["known_bias"] == ["likes bricks"]
    assert read_card(folder).digest != digest
