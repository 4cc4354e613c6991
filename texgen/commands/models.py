# SPDX-License-Identifier: Apache-2.0
"""``texgen models``: lists the installed models and prints their data sheets."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from texgen.commands.shared import Commands, add_parser
from texgen.datasheet import data_sheet
from texgen.files.document import JsonObject
from texgen.modelcard import ModelCard, find_card, list_cards


def add_models(commands: Commands) -> None:
    """Add ``texgen models list|show``."""
    parser = add_parser(
        commands,
        "models",
        "Show the models that are installed.",
        "texgen models show material",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, description, run in (
        ("list", "List the models.", _models_list),
        ("show", "Show one model's data sheet.", _models_show),
    ):
        action = add_parser(
            actions,
            name,
            description,
            f"texgen models {name}{' material' if name == 'show' else ''}",
        )
        if name == "show":
            action.add_argument("model", metavar="ID")
        action.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
        action.add_argument("--json", action="store_true", help="one JSON object on stdout")
        action.set_defaults(run=run)


def _models_list(options: argparse.Namespace) -> int:
    cards = list_cards(options.models)
    if options.json:
        sys.stdout.write(json.dumps({"models": [_card_document(c) for c in cards]}) + "\n")
        return 0
    for card in cards:
        presets = sum(c.preset for c in card.classes)
        sys.stdout.write(
            f"{card.id}  {card.title} {card.version}  {len(card.classes) - presets} classes, "
            f"{presets} presets  {card.licence}\n"
        )
    return 0


def _models_show(options: argparse.Namespace) -> int:
    card = find_card(options.model, options.models)
    document = _card_document(card)
    if options.json:
        sys.stdout.write(json.dumps(document) + "\n")
        return 0
    sys.stdout.write("\n".join(data_sheet(card)) + "\n")
    return 0


def _card_document(card: ModelCard) -> JsonObject:
    return {
        "id": card.id,
        "title": card.title,
        "kind": card.kind,
        "version": card.version,
        "digest": card.digest,
        "licence": card.licence,
        "output_licence": card.output_licence,
        "classes": [
            {"name": c.name, "preset": c.preset, "materials": list(c.materials)}
            for c in card.classes
        ],
        "controls": [
            {
                k: getattr(c, k)
                for k in ("name", "label", "description", "unit", "minimum", "maximum", "default")
            }
            for c in card.controls
        ],
        "maps": [str(m) for m in card.maps],
        "size_multiple_px": card.size_multiple_px,
        "min_edge_px": card.min_edge_px,
        "max_edge_px": card.max_edge_px,
        "data": card.data,
    }
