# SPDX-License-Identifier: Apache-2.0
"""Explore: the latest position wins, nothing piles up, a bad position ends nothing."""

from __future__ import annotations

import threading

from texgen import Client
from texgen.errors import InvalidRequestError
from texgen.maps import Encoding, MapKind
from texgen_server.config import ServerConfig
from texgen_server.rpc.server import EmbeddedServer


def test_dragging_a_slider_answers_the_last_position_with_what_generate_makes(client):
    answers = []
    with client.explore() as explorer:
        reader = threading.Thread(target=lambda: answers.extend(explorer))
        reader.start()
        for step in range(40):
            last = explorer.send(
                "bark",
                seed=1,
                size_px=(64, 64),
                controls={"relief_depth": 1.0 + step / 40},
                maps=(MapKind.HEIGHT, MapKind.NORMAL),
            )
        explorer.close()
        reader.join(60)
    numbers = [number for number, _ in answers]
    assert numbers == sorted(numbers)
    assert numbers[-1] == last == 40
    assert len(numbers) < 40  # overtaken positions were never made
    made = answers[-1][1]
    whole = client.generate(
        "bark", seed=1, size_px=(64, 64), controls={"relief_depth": 1.975}, encoding=Encoding.RAW
    )
    assert made.maps == {kind: whole.maps[kind] for kind in (MapKind.NORMAL, MapKind.HEIGHT)}


def test_a_bad_position_is_told_and_the_next_is_shown(client):
    with client.explore() as explorer:
        answers = iter(explorer)
        explorer.send("wool", seed=1)
        number, error = next(answers)
        assert number == 1
        assert isinstance(error, InvalidRequestError)
        assert "unknown class" in str(error)
        explorer.send("bark", seed=1, size_px=(32, 32))
        number, material = next(answers)
        assert (number, material.seed) == (2, 1)


def test_positions_of_one_exploration_are_counted_once(models):
    with (
        EmbeddedServer(ServerConfig(port=0, models=models, device="torch", grace_s=0.5)) as server,
        Client(server.address) as client,
    ):
        with client.explore() as explorer:
            answers = iter(explorer)
            for seed in (1, 2, 3):
                explorer.send("bark", seed=seed, size_px=(32, 32))
                next(answers)
            explorer.send("wool", seed=1)
            next(answers)
            explorer.send("bark", seed=4, size_px=(512, 512))
        (figures,) = (f for f in client.model_statistics() if f.model == "material")
        assert figures.results == 3
        assert figures.failures <= 1


def test_leaving_in_the_middle_leaves_a_server_that_works(client):
    with client.explore() as explorer:
        explorer.send("bark", seed=1, size_px=(512, 512))
    assert client.generate("bark", seed=2, size_px=(32, 32)).seed == 2
