# SPDX-License-Identifier: Apache-2.0
"""The number of threads that OpenVINO uses here: measured once per process, in about a second.

The number of cores is the wrong one in a container that may use fewer than it sees, and for small
pictures on many cores. The number changes no byte of a result (a test).
"""

from __future__ import annotations

import logging
import os
import time
from functools import cache

import numpy as np

from texgen_server.process.quiet_openvino import ops, ov

log = logging.getLogger("texgen.server")

CHANNELS, EDGE, LAYERS = 192, 48, 4
"""Size of the network that is timed: about that of one level of a material of 256 px."""
ROUNDS = 7
CLEARLY = 0.8
"""Share of the time with all threads below which fewer threads are chosen: a machine that is busy
for a moment should not slow a server for good.
"""
ABOUT = 1.05
HOPELESS = 1.5
"""Factor on the best time from which on still fewer threads are not tried."""


def best_threads(times: dict[int, float]) -> int:
    """Choose a number of threads, given threads -> seconds: the most, unless others are clearly
    faster; of those the fewest that are about as fast as the fastest.
    """
    most, best = max(times), min(times.values())
    if best >= CLEARLY * times[most]:
        return most
    return min(threads for threads, spent in times.items() if spent <= ABOUT * best)


@cache
def fastest_threads(precision: str) -> int:
    """Measure half of the cores of this process, a quarter, ..., and return the number that is
    clearly faster than all; else 0: OpenVINO chooses, and pins nothing.
    """
    cores = threads = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    times: dict[int, float] = {}
    while threads and (not times or times[min(times)] < HOPELESS * min(times.values())):
        times[threads] = _timed(threads, precision)
        threads //= 2
    chosen = best_threads(times)
    log.info(
        "OpenVINO uses %d threads; measured: %s",
        chosen,
        ", ".join(f"{n} threads {1e3 * s:.1f} ms" for n, s in times.items()),
    )
    return chosen if chosen < cores else 0


def _timed(threads: int, precision: str) -> float:
    """Measure the seconds of the quickest run with a number of threads."""
    hints = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
    }
    compiled = ov.Core().compile_model(_network(), "CPU", hints)
    picture = np.ones((1, CHANNELS, EDGE, EDGE), np.float32)
    times = []
    for _ in range(ROUNDS + 2):
        started = time.perf_counter()
        compiled(picture)
        times.append(time.perf_counter() - started)
    return min(times[2:])  # others may be using the machine just now


def _network() -> ov.Model:
    """Build the network that is timed: a few convolutions."""
    picture = ops.parameter([1, CHANNELS, EDGE, EDGE], np.float32)
    weights = np.full((CHANNELS, CHANNELS, 3, 3), 1.0 / (9 * CHANNELS), np.float32)
    seen = picture
    for _ in range(LAYERS):
        seen = ops.relu(
            ops.convolution(seen, ops.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1])
        )
    return ov.Model([seen], [picture])
