# SPDX-License-Identifier: Apache-2.0
"""A spec against the model that is installed here, before any work: classes, controls, sizes,
recipes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from texgen.batch.spec import Item
from texgen.errors import InvalidRequestError
from texgen.modelcard import ModelCard, find_card
from texgen.recipes.build import make_recipe
from texgen.recipes.recipe import DEFAULT_SIZE_PX
from texgen.recipes.text import read_recipe


def check_items(items: Sequence[Item], models: Path | None) -> None:
    """Raises InvalidRequestError with the line of the first item that the model cannot make;
    NotFoundError for an unknown model.
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
    drawn = (DEFAULT_SIZE_PX, DEFAULT_SIZE_PX) if request.get("detail") or size is None else size
    make_recipe(
        card, classes, request["seed"], drawn, request.get("psi", 1.0), request.get("controls")
    )
