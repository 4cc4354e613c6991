# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a tick holds the main thread, ours and Blender's own work (loading, packing, painting of
images, nodes, undo) apart.

Ours also in processor time: on a busy machine the difference is what other programs took.
"""

import time
from contextlib import contextmanager
from dataclasses import astuple, dataclass


@dataclass
class Times:
    """In seconds."""

    own: float = 0.0
    own_processor: float = 0.0
    blender: float = 0.0


slowest = Times()
_depth = 0
_blender = _blender_processor = 0.0


@contextmanager
def blender():
    """Around what Blender does for us."""
    global _blender, _blender_processor, _depth
    _depth += 1
    started, processor = time.perf_counter(), time.thread_time()
    try:
        yield
    finally:
        _depth -= 1
        if not _depth:
            _blender += time.perf_counter() - started
            _blender_processor += time.thread_time() - processor


@contextmanager
def tick():
    """Around one tick."""
    global _blender, _blender_processor, slowest
    _blender = _blender_processor = 0.0
    started, processor = time.perf_counter(), time.thread_time()
    yield
    own = time.perf_counter() - started - _blender
    now = Times(own, time.thread_time() - processor - _blender_processor, _blender)
    slowest = Times(*map(max, astuple(slowest), astuple(now)))


def forget():
    """Begin anew."""
    global slowest
    slowest = Times()
