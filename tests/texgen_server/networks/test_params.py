# SPDX-License-Identifier: Apache-2.0
"""Sizes of networks, read from a model's card."""

from __future__ import annotations

import pytest

from tests.tiny import ENVIRONMENT_PARAMS, PARAMS, UPSCALER_PARAMS
from texgen.errors import LoadError
from texgen.modelcard import find_card
from texgen_server.networks.params import upscaler_params
from texgen_server.registry import load_model


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("material", PARAMS),
        ("environment", ENVIRONMENT_PARAMS),
        ("upscaler", UPSCALER_PARAMS),
    ],
)
def test_a_loaded_model_has_the_sizes_that_were_exported(models, kind, params):
    assert load_model(find_card(kind, models)).params == params


def test_the_halo_in_the_card_is_that_of_the_sizes(models):
    model = load_model(find_card("upscaler", models))
    assert model.card.network["halo_px"] == model.params.halo_px


def test_an_upscaler_of_an_earlier_network_is_refused():
    with pytest.raises(LoadError, match="earlier version"):
        upscaler_params({"width": 8, "depth": 4})
