# SPDX-License-Identifier: Apache-2.0
"""Checks a spec against the model that is installed here, before any work: classes, controls,
sizes, recipes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from texgen.batch.item import Item
from texgen.errors import InvalidRequestError
from texgen.modelcard import ModelCard, find_card
from texgen.recipes.build import make_recipe
from texgen.recipes.recipe import DEFAULT_SIZE_PX
from texgen.recipes.text import read_recipe


def check_items(items: Sequence[Item], models: Path | None) -> None:
    """Raise InvalidRequestError with the line of the first item that its model cannot generate.

    Raises NotFoundError for an unknown model.
    """
    cards: dict[str, ModelCard] = {}
    for item in items:
        name = item.request.get("model", "")
        if name not in cards:
            cards[name] = find_card(name, models)
        try:
            _check(item, cards[name])
        except InvalidRequestError as error:
            raise InvalidRequestError(
                f"line {item.line}, {item.stem}: {error}", error.field
            ) from error


def _check(item: Item, card: ModelCard) -> None:
    request = item.request
    size = request.get("size_px")
    if recipe := request.get("recipe"):
        read_recipe(recipe, card, size)
        return
    classes = (
        list(request["classes"].items()) if "classes" in request else [(card.classes[0].name, 1.0)]
    )
    default_size = (DEFAULT_SIZE_PX, DEFAULT_SIZE_PX)
    generator_size = default_size if request.get("detail") or size is None else size
    make_recipe(
        card,
        classes,
        request["seed"],
        generator_size,
        request.get("psi", 1.0),
        request.get("controls"),
    )
