# SPDX-License-Identifier: Apache-2.0
"""Explore: the latest position wins, nothing piles up, a bad position ends nothing."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from texgen import Client
from texgen.errors import InvalidRequestError
from texgen.maps import Encoding, MapKind
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.config import ServerConfig
from texgen_server.material.postprocess import POSTPROCESS_CONTROLS
from texgen_server.material.raw_cache import RawMapCache, RawMaps
from texgen_server.rpc.latest import latest
from texgen_server.rpc.server import EmbeddedServer


def test_the_latest_of_a_stream_and_always_the_last():
    async def run():
        async def fast():
            for i in range(100):
                yield i
                await asyncio.sleep(0.001)

        seen = []
        async for item in latest(fast()):
            seen.append(item)
            await asyncio.sleep(0.02)
        return seen

    seen = asyncio.run(run())
    assert seen == sorted(seen)
    assert seen[-1] == 99
    assert len(seen) < 30


def test_a_stream_that_fails_says_so_and_an_empty_one_ends():
    async def run(items):
        return [item async for item in latest(items)]

    async def broken():
        yield 1
        raise RuntimeError("gone")

    async def empty():
        return
        yield

    assert asyncio.run(run(empty())) == []
    with pytest.raises(RuntimeError, match="gone"):
        asyncio.run(run(broken()))


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


def test_where_only_the_finish_differs_the_network_is_not_asked_again_and_the_bytes_are_the_same(
    client, models, monkeypatch
):
    asked = []
    run = TorchBackend.run
    monkeypatch.setattr(
        TorchBackend,
        "run",
        lambda self, part, *a, **k: asked.append(part) or run(self, part, *a, **k),
    )
    card = next(c for c in client.list_models() if c.id == "material")
    late = {c.name: c.maximum for c in card.controls if c.post_process}
    assert set(late) == POSTPROCESS_CONTROLS
    early = {"regularity": 0.5, "moss": 0.7}
    with client.explore() as explorer:
        answers = iter(explorer)
        for values in ({}, late, early | late, early, late):
            asked.clear()
            explorer.send("bark", seed=9, size_px=(64, 64), controls=values)
            _, made = next(answers)
            assert bool(asked) == (values in ({}, early | late))
            assert (
                made.maps
                == client.generate(
                    "bark", seed=9, size_px=(64, 64), controls=values, encoding=Encoding.RAW
                ).maps
            )


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


def test_the_oldest_drawings_make_room():
    recent, one = (
        RawMapCache(3000),
        RawMaps(np.zeros((7, 6, 6), np.float32), np.ones(1, np.float32)),
    )
    for name in "aba":  # the one used last stays
        recent.put(name, one)
    recent.put("c", one)
    recent.put("huge", RawMaps(np.zeros((7, 16, 16), np.float32), one.reliefs))
    assert [name for name in ("a", "b", "c", "huge") if recent.get(name)] == ["a", "c"]
    with pytest.raises(ValueError, match="read-only"):
        one.raw[0] = 1.0


def test_leaving_in_the_middle_leaves_a_server_that_works(client):
    with client.explore() as explorer:
        explorer.send("bark", seed=1, size_px=(512, 512))
    assert client.generate("bark", seed=2, size_px=(32, 32)).seed == 2
