# SPDX-License-Identifier: Apache-2.0
"""A priority queue with ageing: highest priority first, in the order of arrival; an entry that was
passed over `PASSED_OVER` times goes next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

PASSED_OVER = 4
"""Number of times that the oldest entry is passed over before it is taken."""


class FairQueue(Generic[T]):
    """A priority queue with ageing. Not thread-safe: its owner locks."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, T]] = []
        self._passed = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[T]:
        """Iterate in the order in which the entries would be taken if no other came."""
        return (item for _, item in sorted(self._waiting, key=lambda w: w[0]))

    def push(self, priority: int, item: T) -> None:
        """Add an entry; a lower ``priority`` goes first."""
        self._waiting.append((priority, item))

    def pop(self, ready: Callable[[T], bool] = lambda item: True) -> T | None:
        """Remove and return the next entry that is ``ready``; None when none is."""
        places = [place for place, (_, item) in enumerate(self._waiting) if ready(item)]
        if not places:
            return None
        oldest, urgent = places[0], min(places, key=lambda place: (self._waiting[place][0], place))
        take = oldest if self._passed >= PASSED_OVER else urgent
        self._passed = 0 if take == oldest else self._passed + 1
        return self._waiting.pop(take)[1]

    def take_all(self, wanted: Callable[[T], bool] = lambda item: True) -> list[T]:
        """Remove and return all entries that are ``wanted``, in the order of arrival."""
        removed = [item for _, item in self._waiting if wanted(item)]
        self._waiting = [(priority, item) for priority, item in self._waiting if not wanted(item)]
        return removed
