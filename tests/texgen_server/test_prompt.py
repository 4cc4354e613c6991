# SPDX-License-Identifier: Apache-2.0
"""Prompts, with the shipped tags and the real embedding network. Needs the extra ``prompt``."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from texgen import find_card
from texgen_server.prompt import PromptReader, _MiniLM, load_embedder, read_tags

PROMPTS = Path(__file__).parents[1] / "data" / "prompts.csv"


@pytest.fixture(scope="module")
def reader():
    pytest.importorskip("transformers")
    card = find_card("material")
    return PromptReader(card, read_tags(card), load_embedder())


@pytest.mark.slow
def test_written_prompts_find_their_class(reader):
    with PROMPTS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    right = [reader.read(row["prompt"]).class_name in row["classes"].split() for row in rows]
    assert len(rows) == 40
    assert sum(right) >= 0.7 * len(rows)


@pytest.mark.slow
def test_words_set_controls(reader):
    choice = reader.read("mossy old bricks, dark")
    assert choice.class_name == "brick"
    assert choice.controls["moss"] > 0
    assert choice.controls["brightness"] < 1
    assert reader.read("a brick wall").controls == {}


@pytest.mark.slow
def test_nonsense_is_called_a_guess(reader):
    assert reader.read("quarterly revenue of the accounting department").similarity < 0.3


@pytest.mark.slow
@pytest.mark.torch
def test_reading_prompts_leaves_the_program_its_progress_bars_and_its_random_numbers():
    torch, logging = pytest.importorskip("torch"), pytest.importorskip("transformers").utils.logging
    logging.enable_progress_bar()
    torch.manual_seed(3)
    _MiniLM()
    drawn = torch.rand(3)
    torch.manual_seed(3)
    assert logging.is_progress_bar_enabled()
    assert torch.equal(torch.rand(3), drawn)
