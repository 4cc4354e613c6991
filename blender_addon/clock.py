# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a tick holds the main thread, ours and Blender's own work (loading, packing, painting of images, nodes, undo) apart."""

import time
from contextlib import contextmanager

_in_blender_s = 0.0
_depth = 0
slowest_own_s = 0.0
slowest_blender_s = 0.0


@contextmanager
def blender():
    """Around what Blender does for us."""
    global _in_blender_s, _depth
    _depth += 1
    started = time.perf_counter()
    try:
        yield
    finally:
        _depth -= 1
        if not _depth:
            _in_blender_s += time.perf_counter() - started


@contextmanager
def tick():
    """Around one tick."""
    global _in_blender_s, slowest_own_s, slowest_blender_s
    _in_blender_s, started = 0.0, time.perf_counter()
    yield
    slowest_blender_s = max(slowest_blender_s, _in_blender_s)
    slowest_own_s = max(slowest_own_s, time.perf_counter() - started - _in_blender_s)
