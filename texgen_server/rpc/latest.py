# SPDX-License-Identifier: Apache-2.0
"""The latest item of a stream: items that arrive while their reader is busy are skipped, except the
last.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

T = TypeVar("T")


async def latest(items: AsyncIterator[T]) -> AsyncIterator[T]:
    """Yield the newest item at each step; wait when there is none.

    Ends when ``items`` has ended, after its last item.
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
