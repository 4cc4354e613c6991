# SPDX-License-Identifier: Apache-2.0
"""Returns freed memory to the system while the server is idle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor

from texgen_server.observability.call_record import CallRecord
from texgen_server.process.memory import give_back_freed_memory

METHODS = "/texgen.v1.TextureService/"
"""Prefix of the methods that take much memory."""


class IdleMemory:
    """Returns freed memory once no call has been in progress for half a minute, or after ten
    minutes without such a pause.

    Not sooner: the next texture would have to take it again, page by page. Is a
    `call_record.CallObserver`.
    """

    IDLE_S, LONGEST_S = 30.0, 600.0

    def __init__(self, busy: Callable[[], int], pool: Executor) -> None:
        self._busy, self._pool = busy, pool
        self._timer: asyncio.TimerHandle | None = None
        self._first = self._last = 0.0

    def ended(self, call: CallRecord) -> None:
        """Start the timer after a call for textures. To be called in the event loop."""
        if not call.method.startswith(METHODS):
            return
        self._last = time.monotonic()
        if self._timer is None:
            self._first = self._last
            self._look_in(self.IDLE_S)

    def _look_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer, now = None, time.monotonic()
        quiet_s = 0.0 if self._busy() else now - self._last
        if quiet_s < self.IDLE_S and now - self._first < self.LONGEST_S:
            self._look_in(self.IDLE_S - quiet_s)
        else:
            asyncio.get_running_loop().run_in_executor(self._pool, give_back_freed_memory)
