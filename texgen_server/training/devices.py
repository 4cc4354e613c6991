# SPDX-License-Identifier: Apache-2.0
"""The torch device of a training or an evaluation, from what the command line says."""

from __future__ import annotations

import os

import torch

from texgen.errors import InvalidRequestError

CPU_ENGINES = ("cpu", "openvino", "torch")
"""Names of `texgen_server.backends` for engines that run on a CPU."""


def training_device(name: str) -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; ``auto`` takes CUDA where
    torch sees it.

    Under ``torchrun`` ``cuda`` is the device of this process's local rank. Raises
    InvalidRequestError for another name and for CUDA that is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if name != "cpu" and not (kind == "cuda" and (number.isdigit() or name == "cuda")):
        raise InvalidRequestError(
            f"device {name!r}: allowed are auto, cpu, cuda and cuda:N", "device"
        )
    if kind == "cuda":
        _check_cuda(name, int(number or 0))
        if not number and "LOCAL_RANK" in os.environ:
            name = f"cuda:{os.environ['LOCAL_RANK']}"
    return torch.device(name)


def evaluation_device(name: str) -> torch.device:
    """Return the torch device beside an inference engine's name: the same CUDA device, or the CPU.

    Takes the names of `training_device`, and ``openvino`` and ``torch``, which are engines of a
    CPU. Raises InvalidRequestError.
    """
    return training_device("cpu" if name in CPU_ENGINES else name)


def _check_cuda(name: str, index: int) -> None:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        raise InvalidRequestError(
            f"device {name!r}: torch sees {count} CUDA devices here; use cpu or auto", "device"
        )
