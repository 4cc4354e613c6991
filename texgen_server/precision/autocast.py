# SPDX-License-Identifier: Apache-2.0
"""Applies the decided precision in torch: number types, and contexts in which networks run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from texgen_server.precision.decision import EXACT, QUICK, decide

TYPES = {QUICK: torch.bfloat16, EXACT: torch.float32}
"""Precision -> torch's type."""


def quick(device: torch.device | str) -> torch.autocast:
    """Make the context for a forward pass in the precision that is decided for a torch device:
    bfloat16, or float32 as it stands.
    """
    kind = torch.device(device).type
    return in_precision(kind, decide("torch" if kind == "cpu" else str(device)).precision)


def exact(device: torch.device | str) -> torch.autocast:
    """Make the context for code that must run in float32, also inside of `quick`.

    Inputs must be float32 already.
    """
    return in_precision(device, EXACT)


def in_precision(device: torch.device | str, precision: str) -> torch.autocast:
    """Make the context for a forward pass in a precision."""
    return torch.autocast(torch.device(device).type, TYPES[QUICK], enabled=precision == QUICK)


def rougher_float32_in_training() -> None:
    """Let CUDA multiply float32 in TF32, of 10 bits, in this process from now on.

    For training; serving uses `exact_convolutions`.
    """
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True


class _ExactConvolutions:
    """Counts the threads inside `exact_convolutions` and holds the settings that they replaced."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[tuple[Any, str, Any]] = []

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = [(where, name, getattr(where, name)) for where, name, _ in _wanted()]
                _set(_wanted())

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                _set(self._before)


_EXACT_CONVOLUTIONS = _ExactConvolutions()


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Keep cuDNN in float32 where that is decided (its default is TF32, of 10 bits), and to the
    same bytes for the same input each time.

    Its settings belong to the whole process, which may be another program's: they are restored when
    the last thread leaves.
    """
    _EXACT_CONVOLUTIONS.enter()
    try:
        yield
    finally:
        _EXACT_CONVOLUTIONS.leave()


def _wanted() -> list[tuple[Any, str, Any]]:
    """List settings of cuDNN: where, name, value."""
    cudnn: Any = torch.backends.cudnn
    newer = hasattr(cudnn, "conv")  # torch 2.9 on, which warns of the older name
    float32 = (
        [(kind, "fp32_precision", "ieee") for kind in (cudnn.conv, cudnn.rnn)]
        if newer
        else [(cudnn, "allow_tf32", False)]
    )
    return [(cudnn, "deterministic", True), (cudnn, "benchmark", False), *float32]


def _set(settings: list[tuple[Any, str, Any]]) -> None:
    for where, name, value in settings:
        setattr(where, name, value)
