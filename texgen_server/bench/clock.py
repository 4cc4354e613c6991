# SPDX-License-Identifier: Apache-2.0
"""Measures of time and arithmetic: medians over rounds, a device's matrix peak, operations of a
network.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode

from texgen_server.precision.autocast import TYPES

GEMM_EDGES = {"cpu": (1024, 2048, 4096), "cuda": (2048, 4096, 8192)}
"""Edges of the matrices whose products give a device's peak, by kind."""


def seconds(work: Callable[[], object], *, rounds: int, limit_s: float = 60.0) -> float:
    """Return the median seconds of ``rounds`` runs after one that warms up; fewer when they would
    take longer than ``limit_s``. Waits for CUDA.
    """
    work()
    synchronize()
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < rounds and (not times or time.perf_counter() - started < limit_s):
        began = time.perf_counter()
        work()
        synchronize()
        times.append(time.perf_counter() - began)
    return median(times)


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def gemm_flops_per_s(device: str, precision: str, edges: tuple[int, ...] = ()) -> float:
    """Return the best rate of square matrix products of several sizes: the peak that a network in
    this precision is compared with.
    """
    rates = []
    for edge in edges or GEMM_EDGES[torch.device(device).type]:
        a, b = (torch.randn(edge, edge, device=device).to(TYPES[precision]) for _ in range(2))
        rates.append(
            2.0
            * edge**3
            / min(seconds(functools.partial(torch.mm, a, b), rounds=3) for _ in range(3))
        )
    return max(rates)


def flops(work: Callable[[], object]) -> float:
    """Count multiplications and additions of a forward pass (a multiply-add is two)."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return float(counter.get_total_flops())
