# SPDX-License-Identifier: Apache-2.0
"""Builds the manifest that is signed with a file.

Source: C2PA specification 2.x, IPTC's digital source types.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from texgen._version import __version__
from texgen.errors import TexgenError
from texgen.files.document import JsonObject, Sidecar
from texgen.modelcard import list_cards

AI_GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
RECIPE_LABEL = "texgen.recipe"
ASSERTED_KEYS = (
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
"""Keys of a sidecar that the assertion repeats."""


def build_manifest(
    name: str, sidecar: Sidecar, trained: Mapping[str, Mapping[str, str]]
) -> JsonObject:
    """Return the definition of the manifest of file ``name``.

    It says that a model generated the file, which model, by which recipe, on which data the model
    was trained, and the licence of the file. ``trained`` is the result of `trained_models`.
    """
    agent = {"name": "texgen", "version": __version__}
    created = {
        "action": "c2pa.created",
        "digitalSourceType": AI_GENERATED,
        "softwareAgent": agent,
    }
    assertion = {key: sidecar[key] for key in ASSERTED_KEYS if sidecar.get(key)} | dict(
        trained.get(str(sidecar.get("model_digest", "")), {})
    )
    return {
        "claim_generator_info": [agent],
        "title": name,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": RECIPE_LABEL, "data": assertion},
        ],
    }


def trained_models(models: Path | None = None) -> dict[str, dict[str, str]]:
    """Return name and licence of the training data of the installed models, by digest."""
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
