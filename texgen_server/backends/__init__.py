# SPDX-License-Identifier: Apache-2.0
"""Backends run networks. `load_backend` is the door: optional libraries are imported here, when asked for, and nowhere else."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from texgen.errors import InvalidRequestError
from texgen_server.backends.base import Backend
from texgen_server.registry import LoadedModel

DEVICES = ("auto", "cpu", "openvino", "torch", "cuda")
PRECISIONS = ("auto", "bf16", "f32")


def load_backend(model: LoadedModel, device: str, precision: str, cache: Path, threads: int = 0) -> Backend:
    """Compile a model for a device.

    ``device``: ``cuda`` (torch, bf16), ``openvino`` or ``torch`` (CPU), ``cpu`` (OpenVINO when installed, else torch), ``auto`` (CUDA
    when torch is installed and sees one, else ``cpu``). Precision ``auto`` is fixed per device class: bf16 on CUDA and on CPUs with
    bfloat16 instructions under OpenVINO, f32 elsewhere.
    """
    if device not in DEVICES or precision not in PRECISIONS:
        raise InvalidRequestError(
            f"device {device!r}, precision {precision!r}: allowed are {', '.join(DEVICES)} and {', '.join(PRECISIONS)}"
        )
    chosen = _choose(device)
    if chosen == "openvino":
        from texgen_server.backends.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(model, _cpu_precision() if precision == "auto" else precision, cache, threads)
    from texgen_server.backends.torch_backend import TorchBackend

    if chosen == "cuda":
        return TorchBackend(model, "cuda", "bf16" if precision == "auto" else precision)
    return TorchBackend(model, "cpu", "f32" if precision == "auto" else precision)


def engine_name(device: str, precision: str) -> str:
    """The name that results of `load_backend` with these will carry."""
    chosen = _choose(device)
    if chosen == "openvino":
        return f"openvino-cpu/{_cpu_precision() if precision == 'auto' else precision}"
    default = "bf16" if chosen == "cuda" else "f32"
    return f"torch-{'cuda' if chosen == 'cuda' else 'cpu'}/{default if precision == 'auto' else precision}"


def _choose(device: str) -> str:
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


def _cpu_precision() -> str:
    import openvino

    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in capabilities else "f32"
