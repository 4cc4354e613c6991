# SPDX-License-Identifier: Apache-2.0
"""What a server does when nobody asks for anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor

from texgen_server.calls import CallRecord
from texgen_server.memory import give_back_freed_memory

METHODS = "/texgen.v1.TextureService/"
"""The calls that take much memory."""


class IdleMemory:
    """A `texgen_server.calls.Watcher` that gives freed memory back once no call has held anything for a second, or after a minute where they never end."""

    IDLE_S, LONGEST_S = 1.0, 60.0

    def __init__(self, busy: Callable[[], int], pool: Executor) -> None:
        self._busy, self._pool = busy, pool
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0

    def ended(self, call: CallRecord) -> None:
        """In the event loop."""
        if call.method.startswith(METHODS) and self._timer is None:
            self._since = time.monotonic()
            self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.IDLE_S, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._busy() and time.monotonic() - self._since < self.LONGEST_S:
            self._wait()
        else:
            asyncio.get_running_loop().run_in_executor(self._pool, give_back_freed_memory)
