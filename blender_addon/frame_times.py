# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures how long a tick blocks the main thread, separately for the add-on's own code and for
Blender's work (loading, packing, painting of images, nodes, undo).

The add-on's time is measured in processor time too: on a busy machine the difference was taken by
other programs.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass


@dataclass
class Times:
    """Holds durations in seconds."""

    own: float = 0.0
    own_processor: float = 0.0
    blender: float = 0.0


slowest = Times()
_depth = 0
_blender = _blender_processor = 0.0


@contextmanager
def blender_work() -> Iterator[None]:
    """Time a block in which Blender works for us."""
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
def tick() -> Iterator[None]:
    """Time one tick."""
    global _blender, _blender_processor, slowest
    _blender = _blender_processor = 0.0
    started, processor = time.perf_counter(), time.thread_time()
    yield
    own = time.perf_counter() - started - _blender
    now = Times(own, time.thread_time() - processor - _blender_processor, _blender)
    slowest = Times(*map(max, astuple(slowest), astuple(now)))


def reset() -> None:
    """Reset the slowest times."""
    global slowest
    slowest = Times()
