# SPDX-License-Identifier: Apache-2.0
"""The models that an engine offers: those that the folder holds at the start, and those that are
added to it later.
"""

from __future__ import annotations

from pathlib import Path

from texgen.errors import InvalidRequestError
from texgen.modelcard import ModelCard, find_card, list_cards, models_folder
from texgen_server.registry import KINDS


class ModelCatalog:
    """Looks up the model cards of a folder."""

    def __init__(self, folder: Path | None) -> None:
        """``folder`` None: the one that `texgen.modelcard.models_folder` finds."""
        self._folder = folder
        self._known: dict[str, ModelCard] = {}
        self._read()

    def all(self) -> list[ModelCard]:
        """Return all cards, sorted by id."""
        found = {path.parent.name for path in models_folder(self._folder).glob("*/model.toml")}
        if found - set(self._known):  # reading all of them takes ten milliseconds
            self._read()
        return [self._known[name] for name in sorted(self._known)]

    def find(self, model_id: str) -> ModelCard:
        """Return the card of a model of any kind. Raises NotFoundError."""
        return (
            self._known[model_id] if model_id in self._known else find_card(model_id, self._folder)
        )

    def of_kind(self, model_id: str, kind: str | None) -> ModelCard:
        """Return the card of a model; the empty id is the kind's default model, None any kind.

        Raises NotFoundError, and InvalidRequestError for a model of another kind.
        """
        card = self.find(model_id or kind or "")
        if kind not in (None, card.kind):
            raise InvalidRequestError(
                f"model {card.id!r} is of kind {card.kind!r}: this call takes one of kind {kind!r}",
                "model",
            )
        return card

    def _read(self) -> None:
        self._known |= {
            c.id: c for c in list_cards(self._folder) if c.kind in KINDS and c.id not in self._known
        }
