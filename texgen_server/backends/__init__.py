# SPDX-License-Identifier: Apache-2.0
"""Backends run networks.

`load_backend` is a door: optional libraries are imported here, when a device needs them, and
nowhere else.
"""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import replace
from functools import cache
from pathlib import Path

from texgen.errors import InvalidRequestError
from texgen_server.backend import Backend
from texgen_server.precision import EXACT, Arithmetic, decide
from texgen_server.registry import LoadedModel

log = logging.getLogger("texgen.server")

DEVICES = ("auto", "cpu", "openvino", "torch", "cuda")
"""Allowed names of devices; one of several CUDA devices is ``cuda:N``."""
NUMBERED = "cuda:"
DRIVERS = ("/proc/driver/nvidia", "/usr/lib/wsl/lib/libcuda.so.1", "C:/Windows/System32/nvcuda.dll")
"""Files that only exist with NVIDIA's driver: on Linux, on Linux inside of Windows (WSL 2, which
has no such folder in /proc), on Windows.
"""


def load_backend(
    model: LoadedModel, device: str, precision: str, cache: Path | None, threads: int = 0
) -> Backend:
    """Compile a model for a device. ``cache`` is the folder for compiled graphs; None: they are not
    kept.

    ``device``: ``cuda`` (torch), ``openvino`` or ``torch`` (CPU), ``cpu`` (OpenVINO when installed,
    else torch), ``auto`` (CUDA when torch is installed and sees one, else ``cpu``). ``precision``
    is decided by `arithmetic`. Raises InvalidRequestError.
    """
    chosen = _choose(device)
    decided = arithmetic(chosen, precision)
    if chosen == "openvino":
        # Door: OpenVINO is optional, as torch is below.
        from texgen_server.backends.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(model, decided.precision, cache, threads)
    from texgen_server.backends.torch_backend import TorchBackend

    return TorchBackend(model, chosen if chosen.startswith("cuda") else "cpu", decided.precision)


def engine_name(device: str, precision: str) -> str:
    """Return the name that results of `load_backend` with these arguments carry."""
    return arithmetic(device, precision).name


def arithmetic(device: str, precision: str) -> Arithmetic:
    """Decide how a device computes when it serves. Raises InvalidRequestError for a device or a
    precision that this machine does not have.

    torch on a CPU is the reference that other engines are compared with: it computes in float32
    unless another precision is configured.
    """
    chosen = _choose(device)
    if (chosen, precision) == ("torch", "auto"):
        return replace(
            decide(chosen, EXACT), why="torch on a CPU is the reference, which is float32"
        )
    return decide(chosen, precision)


def device_names(devices: str) -> list[str]:
    """Split a list such as ``"cuda:0,cuda:1"`` into the own names of the devices: ``cuda`` or
    ``cuda:N``, ``openvino``, ``torch``. Raises InvalidRequestError.

    They must be of one kind: on another kind the same recipe would give slightly different bytes.
    """
    names = [_choose(name.strip()) for name in devices.split(",")]
    if len({name.partition(":")[0] for name in names}) > 1:
        raise InvalidRequestError(
            f"devices {devices!r} are of several kinds, which do not give the same bytes: "
            f"choose one kind",
            "device",
        )
    return names


def _choose(device: str) -> str:
    """Resolve a device to its own name. Raises InvalidRequestError for one that is unknown or not
    installed.
    """
    if device not in DEVICES and not (
        device.startswith(NUMBERED) and device.removeprefix(NUMBERED).isdigit()
    ):
        raise InvalidRequestError(
            f"device {device!r}: allowed are {', '.join(DEVICES)} and cuda:N", "device"
        )
    if device == "auto":
        device = "cuda" if _cuda_available() else "cpu"
    if device == "cpu":
        device = "openvino" if _installed("openvino") else "torch"
    if device == "openvino" and not _installed("openvino"):
        raise InvalidRequestError(
            "device 'openvino' takes OpenVINO, which is not installed: pip install "
            "'texgen[server]'",
            "device",
        )
    if device.startswith(("torch", "cuda")) and not _installed("torch"):
        raise InvalidRequestError(
            f"device {device!r} takes torch, which is not installed: pip install 'texgen[gpu]'",
            "device",
        )
    return device


def _cuda_available() -> bool:
    """Ask torch whether it sees a CUDA device, but only where an NVIDIA driver is: importing torch
    for nothing costs seconds.
    """
    if not _nvidia_driver():
        return False
    if not _installed("torch"):
        _warn_of_unused_gpu("torch is not installed")
        return False
    import torch

    if not torch.cuda.is_available():
        _warn_of_unused_gpu("the torch that is installed sees no CUDA device")
        return False
    return True


def _nvidia_driver() -> bool:
    return any(Path(place).exists() for place in DRIVERS)


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@cache
def _warn_of_unused_gpu(why: str) -> None:
    """Log a warning, once per process."""
    log.warning(
        "this machine has an NVIDIA GPU, but the CPU is used: %s; pip install 'texgen[gpu]' "
        "installs what the GPU needs",
        why,
    )
