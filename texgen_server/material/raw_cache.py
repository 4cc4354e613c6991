# SPDX-License-Identifier: Apache-2.0
"""The network's last pictures, before their finish: whoever drags a colour slider waits for the
finish alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

from texgen_server.material.canvas import Window
from texgen_server.material.plan import Array, Plan
from texgen_server.material.postprocess import POSTPROCESS_CONTROLS

MOST_BYTES = 64 * 2**20
LARGEST_BYTES = 32 * 2**20
"""Of one picture: 1024 x 1024 px."""


@dataclass(frozen=True)
class RawMaps:
    """What the network made of a plan."""

    raw: Array
    """(7, H, W) in [0, 1]; never written to again."""
    reliefs: Array
    """(parts,) height range of each part in tiles."""


class RawMapCache:
    """The last few small pictures of a device, by everything that shapes them; with ``most_bytes``
    0 none. Safe to use from any thread.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._drawn: OrderedDict[str, RawMaps] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> RawMaps | None:
        """One that is still there."""
        with self._lock:
            if name in self._drawn:
                self._drawn.move_to_end(name)
            return self._drawn.get(name)

    def put(self, name: str, drawn: RawMaps) -> None:
        """Keep one, where it is small; the oldest make room."""
        if drawn.raw.nbytes > min(LARGEST_BYTES, self._most_bytes):
            return
        drawn.raw.flags.writeable = False
        with self._lock:
            self._drawn[name] = drawn
            self._drawn.move_to_end(name)
            while sum(d.raw.nbytes for d in self._drawn.values()) > self._most_bytes:
                self._drawn.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._drawn.clear()


def raw_key(plan: Plan, window: Window, engine: str) -> str:
    """Everything that shapes the network's picture of a window, and nothing that only shapes its
    finish.
    """
    early = {
        name: value
        for name, value in plan.recipe.controls.items()
        if name not in POSTPROCESS_CONTROLS
    }
    return repr((engine, replace(plan.recipe, controls=early), plan.canvas, window))
