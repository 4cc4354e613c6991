# SPDX-License-Identifier: Apache-2.0
"""Backends run networks. `load_backend` is the door: optional libraries are imported here, when asked for, and nowhere else."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from texgen.errors import InvalidRequestError
from texgen_server.backends.base import Backend
from texgen_server.precision import EXACT, Arithmetic, decide
from texgen_server.registry import LoadedModel

DEVICES = ("auto", "cpu", "openvino", "torch", "cuda")
"""What a device may be called; one of several CUDA devices is ``cuda:N``."""
NUMBERED = "cuda:"


def load_backend(model: LoadedModel, device: str, precision: str, cache: Path, threads: int = 0) -> Backend:
    """Compile a model for a device.

    ``device``: ``cuda`` (torch), ``openvino`` or ``torch`` (CPU), ``cpu`` (OpenVINO when installed, else torch), ``auto`` (CUDA
    when torch is installed and sees one, else ``cpu``). ``precision`` is decided by `arithmetic`. Raises InvalidRequestError.
    """
    chosen = _choose(device)
    decided = arithmetic(chosen, precision)
    if chosen == "openvino":
        from texgen_server.backends.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(model, decided.precision, cache, threads)
    from texgen_server.backends.torch_backend import TorchBackend

    return TorchBackend(model, chosen if chosen.startswith("cuda") else "cpu", decided.precision)


def engine_name(device: str, precision: str) -> str:
    """The name that results of `load_backend` with these will carry."""
    return arithmetic(device, precision).name


def arithmetic(device: str, precision: str) -> Arithmetic:
    """How a device computes when it serves. Raises InvalidRequestError for a device or a precision that is not here.

    torch on a CPU is the reference that other engines are held against: float32 on purpose, unless another precision is asked for.
    """
    chosen = _choose(device)
    return decide(chosen, EXACT if (chosen, precision) == ("torch", "auto") else precision)


def device_names(devices: str) -> list[str]:
    """``"cuda:0,cuda:1"`` -> each device by its own name: ``cuda`` or ``cuda:N``, ``openvino``, ``torch``. Raises InvalidRequestError.

    They must be of one kind: on another kind the same recipe would come out slightly differently.
    """
    names = [_choose(name.strip()) for name in devices.split(",")]
    if len({name.partition(":")[0] for name in names}) > 1:
        raise InvalidRequestError(f"devices {devices!r} are of several kinds, which do not give the same bytes: choose one kind", "device")
    return names


def _choose(device: str) -> str:
    """Raises InvalidRequestError."""
    if device not in DEVICES and not (device.startswith(NUMBERED) and device.removeprefix(NUMBERED).isdigit()):
        raise InvalidRequestError(f"device {device!r}: allowed are {', '.join(DEVICES)} and cuda:N", "device")
    if device == "auto":
        device = "cuda" if _cuda_available() else "cpu"
    if device == "cpu":
        device = "openvino" if importlib.util.find_spec("openvino") else "torch"
    return device


def _cuda_available() -> bool:
    """Asks torch only where an NVIDIA driver is: importing torch for nothing costs seconds."""
    if not Path("/proc/driver/nvidia").exists() and not Path("C:/Windows/System32/nvcuda.dll").exists():
        return False
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()
