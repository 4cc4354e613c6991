# SPDX-License-Identifier: Apache-2.0
"""``texgen recipe show|make``: explains a recipe, or writes one. No server is needed."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from texgen.arguments import parse_class_mix, parse_controls, parse_size
from texgen.commands.shared import Commands, add_parser
from texgen.errors import InvalidRequestError, NotFoundError
from texgen.files.material import recipe_text
from texgen.modelcard import ModelCard, find_card, list_cards
from texgen.recipes.build import make_recipe
from texgen.recipes.detail import with_detail
from texgen.recipes.recipe import DEFAULT_SIZE_PX, Recipe
from texgen.recipes.text import read_recipe, recipe_model, write_recipe


def add_recipe(commands: Commands) -> None:
    """Add ``texgen recipe``."""
    parser = add_parser(commands, "recipe", "Read and write recipes.", "texgen recipe show tg1:...")
    actions = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    show = add_parser(actions, "show", "Explain a recipe.", "texgen recipe show bark_7.json")
    show.add_argument("recipe", metavar="TEXT|SIDECAR")
    show.add_argument("--models", type=Path, metavar="DIR")
    show.add_argument("--json", action="store_true")
    show.set_defaults(run=_show)
    make = add_parser(
        actions,
        "make",
        "Write a recipe; nothing is generated.",
        "texgen recipe make --class bark --seed 7",
    )
    make.add_argument("--class", dest="classes", required=True, metavar="MIX")
    make.add_argument("--seed", type=int, required=True)
    make.add_argument("--size", default=str(DEFAULT_SIZE_PX), metavar="N|WxH")
    make.add_argument("--control", action="append", default=[], metavar="NAME=VALUE")
    make.add_argument("--psi", type=float, default=1.0)
    make.add_argument("--detail", choices=("sr",), default="")
    make.add_argument("--model", default="", metavar="ID")
    make.add_argument("--models", type=Path, metavar="DIR")
    make.set_defaults(run=_make)


def _show(options: argparse.Namespace) -> int:
    text = recipe_text(options.recipe)
    card = _card_of(text, options.models)
    recipe = read_recipe(text, card)
    if options.json:
        sys.stdout.write(
            json.dumps(
                {"recipe": text, "model": card.id, "version": card.version} | asdict(recipe),
                default=str,
            )
            + "\n"
        )
        return 0
    sys.stdout.write("\n".join(_describe(recipe, card)) + "\n")
    return 0


def _card_of(text: str, models: Path | None) -> ModelCard:
    """Return the installed model that a recipe names.

    Raises NotFoundError, InvalidRequestError.
    """
    digest = recipe_model(text)
    cards = list_cards(models)
    for card in cards:
        if card.digest.startswith(digest):
            return card
    installed = ", ".join(f"{c.id} {c.version} ({c.digest[:12]})" for c in cards)
    raise NotFoundError(
        f"no model {digest[:12]} is installed here, which the recipe names; there are {installed}"
    )


def _describe(recipe: Recipe, card: ModelCard) -> list[str]:
    lines = [f"model     {card.id} {card.version} ({card.digest[:16]})", f"seed      {recipe.seed}"]
    if recipe.classes:
        lines.append(
            "classes   " + ", ".join(f"{name} {weight:.0%}" for name, weight in recipe.classes)
        )
    if recipe.origin is not None:
        lines.append(
            f"origin    {type(recipe.origin).__name__.lower()}, {recipe.depth()} deep; mainly "
            f"{', '.join(dict(recipe.main_classes()))}"
        )
    lines.append(
        f"size      {recipe.width_px} x {recipe.height_px} px"
        + (f", enlarged x{recipe.detail.scale}" if recipe.detail else "")
    )
    lines.append(f"psi       {recipe.psi:g}")
    defaults = {c.name: c.default for c in card.controls}
    changed = [
        f"{name} {value:g}"
        for name, value in recipe.controls.items()
        if value != defaults.get(name)
    ]
    return [*lines, f"controls  {', '.join(changed) or 'all at their defaults'}"]


def _make(options: argparse.Namespace) -> int:
    card = find_card(options.model, options.models)
    size, detail = parse_size(options.size), bool(options.detail)
    generator_size = (DEFAULT_SIZE_PX, DEFAULT_SIZE_PX) if detail else size
    recipe = make_recipe(
        card,
        parse_class_mix(options.classes),
        options.seed,
        generator_size,
        options.psi,
        parse_controls(options.control),
    )
    if detail:
        upscalers = [c for c in list_cards(options.models) if c.kind == "upscaler"]
        if not upscalers:
            raise InvalidRequestError(
                "--detail needs a model of kind upscaler, and none is installed here", "detail"
            )
        recipe = with_detail(recipe, card, upscalers[0], size)
    sys.stdout.write(write_recipe(recipe, card) + "\n")
    return 0
