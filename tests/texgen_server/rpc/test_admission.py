# SPDX-License-Identifier: Apache-2.0
"""Limits of calls and pixels in flight."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from texgen.client import Client
from texgen.errors import (
    CapacityError,
)
from texgen_server.config import ServerConfig
from texgen_server.observability.call_record import Peer
from texgen_server.rpc.admission import Admission
from texgen_server.rpc.server import EmbeddedServer
from texgen_server.tokens import create_token


def test_admission_counts_calls_and_pixels_and_gives_back_when_the_work_ends():
    admission = Admission(
        ServerConfig(max_in_flight=3, max_in_flight_per_peer=2, max_pixels_in_flight=100)
    )
    artist, farm = Peer("artist"), Peer("farm", 1)
    first = admission.enter(artist, 60)
    with pytest.raises(CapacityError, match="pixels"):
        admission.enter(artist, 60)
    second = admission.enter(artist, 30)
    with pytest.raises(CapacityError, match="one peer"):
        admission.enter(artist, 1)
    third = admission.enter(farm, 1)
    with pytest.raises(CapacityError, match="this server"):
        admission.enter(Peer("other"), 1)
    running: Future[None] = Future()
    first.release_after([running])
    assert admission.in_flight() == 3
    running.set_result(None)
    assert admission.in_flight() == 2
    admission.enter(artist, 60).release_after([])
    second.release_after([])
    third.release_after([])
    assert admission.in_flight() == 0
    huge = admission.enter(artist, 10**9)  # alone, anything goes that a single request may ask for
    huge.release_after([])


def test_a_peer_at_its_limit_is_told_so_and_retries_succeed(models, tmp_path):
    tokens = tmp_path / "tokens.toml"
    token = create_token(tokens, "studio", max_in_flight=1)
    config = ServerConfig(port=0, models=models, device="torch", grace_s=0.5, tokens_file=tokens)
    seeds = []
    with EmbeddedServer(config) as server, Client(server.address, token) as client:
        client.generate("bark", seed=0, size_px=(32, 32))
        threads = [
            threading.Thread(
                target=lambda s=s: seeds.append(
                    client.generate("bark", seed=s, size_px=(256, 256)).seed
                )
            )
            for s in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(seeds) == [0, 1, 2]  # the retry policy brought the refused ones through
