# SPDX-License-Identifier: Apache-2.0
"""Prompts in requests."""

from __future__ import annotations

import pytest

from texgen.errors import InvalidRequestError, LoadError


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


def test_a_model_without_tags_reads_no_prompts(client):
    with pytest.raises(LoadError, match="ask for classes"):
        client.generate(prompt="oak bark")


def test_a_prompt_goes_alone(client):
    with pytest.raises(InvalidRequestError, match="alone"):
        client.generate("bark", prompt="oak bark")
