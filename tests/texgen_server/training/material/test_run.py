# SPDX-License-Identifier: Apache-2.0
"""A toy run of the material model: trained from files on, exported, restarted from weights."""

from __future__ import annotations

import json

import pytest

from tests.texgen_server.training.toys import write_toy_sets
from texgen.errors import InvalidRequestError
from texgen.modelcard import read_card
from texgen_server.registry import load_material
from texgen_server.training.material.run import (
    MaterialTrainOptions,
    parse_stages,
    train_material,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_toy_sets(tmp_path_factory.mktemp("data"))


@pytest.mark.slow
def test_the_command_trains_exports_and_restarts_from_weights(data, tmp_path):
    work, model = tmp_path / "work", tmp_path / "models" / "material"
    options = MaterialTrainOptions(
        data, work, parse_stages("128:16"), batch=8, device="cpu", export=model
    )
    train_material(options)
    assert (work / "state.safetensors").is_file()
    card = read_card(model)
    assert [c.name for c in card.classes] == ["metal"]
    assert load_material(card).tables.codes.shape == (4, 64)
    with pytest.raises(InvalidRequestError, match="--resume"):
        train_material(options)
    train_material(
        MaterialTrainOptions(
            data, tmp_path / "again", parse_stages("128:8"), batch=8, device="cpu", init=model
        )
    )
    train_material(
        MaterialTrainOptions(data, work, parse_stages("128:24"), resume=True, batch=8, device="cpu")
    )
    assert json.loads((work / "pack" / "pack.json").read_text())["assets"] == [
        "Toy0",
        "Toy1",
        "Toy2",
        "Toy3",
    ]


def test_bad_stages_are_explained():
    with pytest.raises(InvalidRequestError, match="SIZE:IMAGES"):
        parse_stages("100:x")
