# SPDX-License-Identifier: Apache-2.0
"""Formats a model's data sheet as plain text: description, training data, licences, known bias."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from texgen.modelcard import ModelCard

FEW_MATERIALS = 4
"""Number of training materials below which a class varies little."""
WIDTH = 110
BAR = 24


def data_sheet(card: ModelCard) -> list[str]:
    """Return the lines of the data sheet."""
    return [*_identity(card), *_classes(card), *_controls(card), *_training(card), *_bias(card)]


def _identity(card: ModelCard) -> Iterator[str]:
    yield f"{card.id}: {card.title} {card.version}"
    yield f"digest   {card.digest}"
    yield f"licence  weights {card.licence}, output {card.output_licence}"
    yield (
        f"sizes    {card.min_edge_px} to {card.max_edge_px} px in steps of {card.size_multiple_px}"
    )
    yield f"maps     {', '.join(card.maps)}"
    yield f"weights  {sum((card.folder / w).stat().st_size for w in card.weights) / 1e6:.1f} MB"


def _classes(card: ModelCard) -> Iterator[str]:
    """Yield the balance of the classes, one bar for each."""
    if not card.classes:
        return
    largest = max(len(c.materials) for c in card.classes)
    yield "classes, and how many training materials each has"
    for c in card.classes:
        bar = "#" * max(1, round(BAR * len(c.materials) / max(largest, 1)))
        yield f"  {c.name:<16}{len(c.materials):>4}  {bar}{'  preset' if c.preset else ''}"


def _controls(card: ModelCard) -> Iterator[str]:
    if card.controls:
        yield "controls"
    for c in card.controls:
        yield (
            f"  {c.name:<18}{c.minimum:g} to {c.maximum:g} {c.unit}, default {c.default:g}: "
            f"{c.description}"
        )


def _training(card: ModelCard) -> Iterator[str]:
    """Yield every asset by name, so that its licence can be looked up."""
    yield f"training data, {card.data.get('data_licence', 'licence not stated')}"
    hidden = ("assets", "known_bias", "data_licence")
    for key, value in card.data.items():
        if key not in hidden:
            yield (
                f"  {key.replace('_', ' ')}: "
                f"{', '.join(value) if isinstance(value, list) else value}"
            )
    named = [(c.name, c.materials) for c in card.classes if c.materials] or [
        ("assets", tuple(card.data.get("assets", ())))
    ]
    for name, assets in named:
        if assets:
            yield from wrap(
                f"{name}: {', '.join(assets)}",
                WIDTH,
                initial_indent="  ",
                subsequent_indent="    ",
                break_on_hyphens=False,
            )


def _bias(card: ModelCard) -> Iterator[str]:
    yield "known bias"
    rare = [c.name for c in card.classes if len(c.materials) < FEW_MATERIALS and not c.preset]
    notes = (
        [f"fewer than {FEW_MATERIALS} training materials, so little variety: {', '.join(rare)}"]
        if rare
        else []
    )
    for line in [*notes, *card.data.get("known_bias", [])] or [
        "none is written down: that does not mean that there is none"
    ]:
        yield from wrap(line, WIDTH, initial_indent="  - ", subsequent_indent="    ")
