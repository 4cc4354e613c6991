# SPDX-License-Identifier: Apache-2.0
"""Backends run networks. `load_backend` is the door: optional libraries are imported here, when asked for, and nowhere else."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from texgen.errors import InvalidRequestError
from texgen_server.backends.base import Backend
from texgen_server.registry import LoadedModel

DEVICES = ("auto", "cpu", "openvino", "torch", "cuda")
"""What a device may be called; one of several CUDA devices is ``cuda:N``."""
NUMBERED = "cuda:"
PRECISIONS = ("auto", "bf16", "f32")


def load_backend(model: LoadedModel, device: str, precision: str, cache: Path, threads: int = 0) -> Backend:
    """Compile a model for a device.

    ``device``: ``cuda`` (torch, bf16), ``openvino`` or ``torch`` (CPU), ``cpu`` (OpenVINO when installed, else torch), ``auto`` (CUDA
    when torch is installed and sees one, else ``cpu``). Precision ``auto`` is fixed per device class: bf16 on CUDA and on CPUs with
    bfloat16 instructions under OpenVINO, f32 elsewhere.
    """
    if precision not in PRECISIONS:
        raise InvalidRequestError(f"precision {precision!r}: allowed are {', '.join(PRECISIONS)}", "precision")
    chosen = _choose(device)
    if chosen == "openvino":
        from texgen_server.backends.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(model, _cpu_precision() if precision == "auto" else precision, cache, threads)
    from texgen_server.backends.torch_backend import TorchBackend

    if chosen.startswith("cuda"):
        return TorchBackend(model, chosen, "bf16" if precision == "auto" else precision)
    return TorchBackend(model, "cpu", "f32" if precision == "auto" else precision)


def engine_name(device: str, precision: str) -> str:
    """The name that results of `load_backend` with these will carry."""
    chosen = _choose(device)
    if chosen == "openvino":
        return f"openvino-cpu/{_cpu_precision() if precision == 'auto' else precision}"
    kind, default = ("cuda", "bf16") if chosen.startswith("cuda") else ("cpu", "f32")
    return f"torch-{kind}/{default if precision == 'auto' else precision}"


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


@cache
def _cpu_precision() -> str:
    """Asked for with every call; finding out takes milliseconds."""
    import openvino

    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in capabilities else "f32"
