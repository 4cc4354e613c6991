# SPDX-License-Identifier: Apache-2.0
"""The latest item of a stream."""

from __future__ import annotations

import asyncio

import pytest

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
