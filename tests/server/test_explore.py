# SPDX-License-Identifier: Apache-2.0
"""Explore: the latest position wins, nothing piles up, a bad position ends nothing."""

from __future__ import annotations

import asyncio
import threading

import pytest

from texgen.errors import InvalidRequestError
from texgen.maps import Encoding, MapKind
from texgen_server.rpc.latest import latest


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
                "bark", seed=1, size_px=(64, 64), controls={"relief_depth": 1.0 + step / 40}, maps=(MapKind.HEIGHT, MapKind.NORMAL)
            )
        explorer.close()
        reader.join(60)
    numbers = [number for number, _ in answers]
    assert numbers == sorted(numbers)
    assert numbers[-1] == last == 40
    assert len(numbers) < 40  # overtaken positions were never made
    made = answers[-1][1]
    whole = client.generate("bark", seed=1, size_px=(64, 64), controls={"relief_depth": 1.975}, encoding=Encoding.RAW)
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


def test_leaving_in_the_middle_leaves_a_server_that_works(client):
    with client.explore() as explorer:
        explorer.send("bark", seed=1, size_px=(512, 512))
    assert client.generate("bark", seed=2, size_px=(32, 32)).seed == 2
