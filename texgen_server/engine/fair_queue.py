# SPDX-License-Identifier: Apache-2.0
"""Who is next: the urgent before the patient, in the order they came, and now and then whoever has
waited longest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

PASSED_OVER = 4
"""How often the one that has waited longest is passed over before it is taken."""


class FairQueue(Generic[T]):
    """Not safe to use from several threads at once: whoever holds it locks."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, T]] = []
        self._passed = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[T]:
        """In the order in which they would be taken, nobody else coming."""
        return (item for _, item in sorted(self._waiting, key=lambda w: w[0]))

    def push(self, priority: int, item: T) -> None:
        """A lower ``priority`` goes first."""
        self._waiting.append((priority, item))

    def pop(self, ready: Callable[[T], bool] = lambda item: True) -> T | None:
        """The next that is ``ready``; None when none is."""
        places = [place for place, (_, item) in enumerate(self._waiting) if ready(item)]
        if not places:
            return None
        oldest, urgent = places[0], min(places, key=lambda place: (self._waiting[place][0], place))
        take = oldest if self._passed >= PASSED_OVER else urgent
        self._passed = 0 if take == oldest else self._passed + 1
        return self._waiting.pop(take)[1]

    def take_all(self, wanted: Callable[[T], bool] = lambda item: True) -> list[T]:
        """Remove all that are ``wanted``, in the order they came."""
        taken = [item for _, item in self._waiting if wanted(item)]
        self._waiting = [(priority, item) for priority, item in self._waiting if not wanted(item)]
        return taken
