# SPDX-License-Identifier: Apache-2.0
"""Admission: limits of the calls for textures that run at a time, of one peer and of all, and of
the pixels that they ask for together.

A call gives its share back when its work has ended, not when the call has: a client that leaves
does not make room for work that still runs.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from texgen.errors import CapacityError
from texgen_server.config import ServerConfig
from texgen_server.observability.call_record import Peer


class Admission:
    """Counts calls and pixels in flight. Safe to use from any thread: work ends in the engine's
    threads.
    """

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._pixels = 0

    def enter(self, peer: Peer, pixels: int) -> Ticket:
        """Admit a call. Raises CapacityError, which says what is full and when to come back."""
        config = self._config
        own = peer.max_in_flight or config.max_in_flight_per_peer
        with self._lock:
            if self._calls.total() >= config.max_in_flight:
                raise CapacityError(
                    f"{config.max_in_flight} calls are in flight, as many as this server "
                    f"takes: try again in a moment"
                )
            if self._calls[peer.name] >= own:
                raise CapacityError(
                    f"you have {own} calls in flight, as many as one peer may: wait for one of "
                    f"them, or try again in a moment"
                )
            if self._pixels and self._pixels + pixels > config.max_pixels_in_flight:
                raise CapacityError(
                    f"{self._pixels} pixels are being made and {pixels} more are too many for "
                    f"now: try again in a moment"
                )
            self._calls[peer.name] += 1
            self._pixels += pixels
        return Ticket(self, peer.name, pixels)

    def in_flight(self) -> int:
        """Return the number of calls that are in progress."""
        with self._lock:
            return self._calls.total()

    def _leave(self, name: str, pixels: int) -> None:
        with self._lock:
            self._calls[name] -= 1
            self._calls += Counter()  # drops names at zero
            self._pixels -= pixels


class Ticket:
    """The share that a call holds."""

    def __init__(self, admission: Admission, name: str, pixels: int) -> None:
        self._admission, self._name, self._pixels = admission, name, pixels
        self._lock = threading.Lock()
        self._waiting = 1

    def release_after(self, work: Iterable[Future[Any]]) -> None:
        """Give the share back once all of the work has ended. To be called once, at the end of the
        call.
        """
        for future in work:
            with self._lock:
                self._waiting += 1
            future.add_done_callback(lambda _: self._ended())
        self._ended()

    def _ended(self) -> None:
        with self._lock:
            self._waiting -= 1
            last = self._waiting == 0
        if last:
            self._admission._leave(self._name, self._pixels)
