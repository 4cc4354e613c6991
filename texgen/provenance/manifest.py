# SPDX-License-Identifier: Apache-2.0
"""What a signed manifest says of a file.

Source: C2PA specification 2.x, IPTC's digital source types.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from texgen._version import __version__
from texgen.errors import TexgenError
from texgen.modelcard import list_cards

MADE_BY_A_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
RECIPE_LABEL = "texgen.recipe"
TOLD = (
    "recipe",
    "model_digest",
    "engine",
    "seed",
    "size_px",
    "window_px",
    "endless",
    "preset",
    "watermark",
    "output_licence",
)
"""Of a sidecar, in the assertion."""


def manifest(
    name: str, about: Mapping[str, Any], trained: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """The definition of the manifest of file ``name``; ``about`` is its sidecar, ``trained`` as
    `training` has it.

    Says that a model made it, which one, by which recipe, what it was trained on and under which
    licence the file is.
    """
    agent = {"name": "texgen", "version": __version__}
    created = {
        "action": "c2pa.created",
        "digitalSourceType": MADE_BY_A_MODEL,
        "softwareAgent": agent,
    }
    told = {key: about[key] for key in TOLD if about.get(key)} | dict(
        trained.get(str(about.get("model_digest", "")), {})
    )
    return {
        "claim_generator_info": [agent],
        "title": name,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": RECIPE_LABEL, "data": told},
        ],
    }


def training(models: Path | None = None) -> dict[str, dict[str, str]]:
    """Digest -> model and licence of its training data, of the models that are installed here."""
    try:
        cards = list_cards(models)
    except TexgenError:
        return {}
    return {
        card.digest: {"model": f"{card.id} {card.version}"}
        | (
            {"training_data_licence": str(licence)}
            if (licence := card.data.get("data_licence"))
            else {}
        )
        for card in cards
    }
