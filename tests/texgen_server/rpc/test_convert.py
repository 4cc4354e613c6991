# SPDX-License-Identifier: Apache-2.0
"""Results and cards as messages."""

from __future__ import annotations

import pytest


@pytest.mark.torch
def test_clients_are_told_what_the_server_offers(client):
    model = client.get_model()
    assert not model.reads_prompts  # the tiny model has no tags
    assert model.makes_captures
