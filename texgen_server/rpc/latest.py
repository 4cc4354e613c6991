# SPDX-License-Identifier: Apache-2.0
"""The latest of a stream: what came while its reader was busy is skipped, but for the last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

T = TypeVar("T")


async def latest(items: AsyncIterator[T]) -> AsyncIterator[T]:
    """Each time that the next one is asked for, the newest there is; waits when there is none.

    Ends when ``items`` has, after its last.
    """
    waiting: list[T] = []
    arrived = asyncio.Event()

    async def read() -> None:
        try:
            async for item in items:
                waiting[:] = [item]
                arrived.set()
        finally:
            arrived.set()

    reader = asyncio.create_task(read())
    try:
        while waiting or not reader.done():
            await arrived.wait()
            arrived.clear()
            if waiting:
                yield waiting.pop()
        await reader
    finally:
        reader.cancel()
