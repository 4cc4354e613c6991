# SPDX-License-Identifier: Apache-2.0
"""Prompts, with the shipped tags and the real embedding network. Needs the extra ``prompt``."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from texgen import find_card
from texgen.errors import InvalidRequestError, LoadError
from texgen.recipes.build import make_recipe
from texgen_server.material.sources import choose_code, seed_of_member
from texgen_server.prompt import PromptReader, _MiniLM, load_embedder, read_tags
from texgen_server.registry import load_material

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


@pytest.mark.slow
@pytest.mark.torch
def test_a_prompt_over_grpc_says_what_it_picked():
    from texgen.client import Client
    from texgen_server.config import ServerConfig
    from texgen_server.rpc.server import EmbeddedServer

    with (
        EmbeddedServer(ServerConfig(port=0, device="torch")) as server,
        Client(server.address) as client,
    ):
        made = client.generate(prompt="oak bark", seed=3, size_px=(64, 64))
        assert list(made.prompt_choice.classes) == ["bark"]
        assert client.generate(recipe=made.recipe, size_px=(64, 64)).maps == made.maps
        with pytest.raises(InvalidRequestError, match="prompt"):
            client.generate(prompt="!?")


def test_the_seed_of_a_member_draws_it(card):
    tables = load_material(card).tables
    rows = tables.rows["brick"]
    for member in range(len(rows)):
        seed = seed_of_member("brick", member, len(rows), 100)
        assert seed >= 100
        _, layouts = choose_code(make_recipe(card, [("brick", 1.0)], seed, (64, 64)), tables)
        assert layouts == [(rows[member], 1.0)]


def test_a_model_without_tags_reads_no_prompts(client):
    with pytest.raises(LoadError, match="ask for classes"):
        client.generate(prompt="oak bark")


def test_a_prompt_goes_alone(client):
    with pytest.raises(InvalidRequestError, match="alone"):
        client.generate("bark", prompt="oak bark")


@pytest.mark.torch
def test_clients_are_told_what_the_server_offers(client):
    model = client.get_model()
    assert not model.reads_prompts  # the tiny model has no tags
    assert model.makes_captures
