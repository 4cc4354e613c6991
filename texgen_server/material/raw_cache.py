# SPDX-License-Identifier: Apache-2.0
"""A cache of the network's last raw maps: while a colour slider moves, only the postprocessing runs
again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

from texgen_server.material.canvas import Window
from texgen_server.material.plan import Array, Plan
from texgen_server.material.postprocess import POSTPROCESS_CONTROLS

MOST_BYTES = 64 * 2**20
"""Most bytes of all entries together."""
LARGEST_BYTES = 32 * 2**20
"""Most bytes of one entry: 1024 x 1024 px."""


@dataclass(frozen=True)
class RawMaps:
    """The network's output for a plan."""

    raw: Array
    """Raw maps (7, H, W) in [0, 1]; read-only."""
    reliefs: Array
    """Height range of each part in tiles, (parts,)."""


class RawMapCache:
    """The most recently used raw maps of a device, by `raw_key`; ``most_bytes`` 0 keeps none. Safe
    to use from any thread.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._entries: OrderedDict[str, RawMaps] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> RawMaps | None:
        """Return the raw maps of a key; None where they are not kept."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: str, maps: RawMaps) -> None:
        """Keep raw maps if they are small; the least recently used ones make room."""
        if maps.raw.nbytes > min(LARGEST_BYTES, self._most_bytes):
            return
        maps.raw.flags.writeable = False
        with self._lock:
            self._entries[key] = maps
            self._entries.move_to_end(key)
            while sum(m.raw.nbytes for m in self._entries.values()) > self._most_bytes:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Drop all entries."""
        with self._lock:
            self._entries.clear()


def raw_key(plan: Plan, window: Window, engine: str) -> str:
    """Return a text of everything that shapes the network's output for a window, and of nothing
    that only the postprocessing depends on.
    """
    network_controls = {
        name: value
        for name, value in plan.recipe.controls.items()
        if name not in POSTPROCESS_CONTROLS
    }
    return repr((engine, replace(plan.recipe, controls=network_controls), plan.canvas, window))
