# SPDX-License-Identifier: Apache-2.0
"""Decides the precision of a device from what the hardware says, never from a measurement, and
gives the arithmetic its name.

bfloat16 where the hardware multiplies in it (AMX, AVX-512 BF16, CUDA from compute capability 8.0
on), float32 elsewhere: a processor without those instructions emulates them, a hundred times slower
than float32.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, replace
from functools import cache

from texgen.errors import InvalidRequestError
from texgen_server.precision.cpu import blas_kernels, read_cpu

QUICK, EXACT = "bf16", "f32"
"""Names of the precisions. Code that must run in float32 says `EXACT`."""
PRECISIONS = ("auto", QUICK, EXACT)
CUDA_LEAST = (8, 0)
"""Least compute capability of a GPU that multiplies in bfloat16 itself."""


@dataclass(frozen=True)
class Arithmetic:
    """The arithmetic of a device.

    Two of the same `name` give the same bytes; two of different names differ by a few levels.
    """

    engine: str
    """Library and kind of device: ``openvino-cpu``, ``torch-cpu``, ``torch-cuda``."""
    precision: str
    """``bf16`` or ``f32``."""
    kind: str
    """The instructions of the network and, behind a +, the kernels of numpy's products:

    ``avx512+SkylakeX``, ``avx2+Haswell``, ``sm90+Zen``.
    """
    version: str
    """Version of the library."""
    why: str
    """Reason for this precision, for people."""
    threads: int = 0
    """Threads where their number changes bytes: with torch on a CPU.

    With OpenVINO it changes none, and this is 0.
    """

    @property
    def name(self) -> str:
        """Name such as ``openvino-cpu/f32/avx2+Haswell/2026.1.0``: part of sidecars, locks and
        caches.
        """
        parts = (
            self.engine,
            self.precision,
            self.kind,
            f"{self.threads}t" if self.threads else "",
            self.version,
        )
        return "/".join(part for part in parts if part)


def decide(device: str, wanted: str = "auto") -> Arithmetic:
    """Decide how a device computes: ``openvino``, ``torch`` (both a CPU), ``cuda`` or ``cuda:N``.

    ``wanted`` may hold it to a precision. Raises InvalidRequestError where the hardware does not
    have it, where it is none of `PRECISIONS`, and for a CUDA device that is not there.
    """
    if wanted not in PRECISIONS:
        raise InvalidRequestError(
            f"precision {wanted!r}: allowed are {', '.join(PRECISIONS)}", "precision"
        )
    able, lacks = _cuda(device) if device.startswith("cuda") else _cpu(device)
    if wanted == QUICK and able.precision != QUICK:
        raise InvalidRequestError(
            f"precision {QUICK}: {lacks}, and would emulate it very slowly. Allowed here are "
            f"auto and {EXACT}",
            "precision",
        )
    if wanted == EXACT and able.precision != EXACT:
        return _exact(able)
    return able


def allowed(device: str) -> tuple[str, ...]:
    """List the precisions that the hardware of a device has, the one that is decided for first."""
    first = decide(device).precision
    return (first,) if first == EXACT else (first, EXACT)


def _cpu(device: str) -> tuple[Arithmetic, str]:
    """Decide for a CPU; the second value is the reason why bfloat16 is not available, or empty."""
    cpu = read_cpu()
    lacks = (
        ""
        if cpu.bfloat16
        else f"this CPU has neither AMX nor AVX-512 BF16 ({cpu.vectors}; {cpu.says})"
    )
    precision, why = (
        (QUICK, f"the CPU has {cpu.bfloat16} ({cpu.says})") if cpu.bfloat16 else (EXACT, lacks)
    )
    kind = f"{cpu.bfloat16 or cpu.vectors}+{blas_kernels()}"
    if device == "openvino":
        return Arithmetic("openvino-cpu", precision, kind, _version("openvino"), why), lacks
    return Arithmetic("torch-cpu", precision, kind, _version("torch"), why, _torch_threads()), lacks


def _torch_threads() -> int:
    import torch

    return torch.get_num_threads()


def _cuda(device: str) -> tuple[Arithmetic, str]:
    """Decide for a GPU, which torch knows about; else as `_cpu`."""
    import torch

    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(device.partition(":")[2] or 0) >= seen:
        raise InvalidRequestError(
            f"device {device!r}: the torch that is installed ({torch.__version__}) sees "
            f"{seen or 'no'} CUDA device{'s' * (seen > 1)}",
            "device",
        )
    major, minor = torch.cuda.get_device_capability(device)
    kind = f"sm{major}{minor}+{blas_kernels()}"
    if (major, minor) >= CUDA_LEAST:
        return Arithmetic(
            "torch-cuda",
            QUICK,
            kind,
            _version("torch"),
            f"the GPU has compute capability {major}.{minor}",
        ), ""
    lacks = (
        f"this GPU has compute capability {major}.{minor}, below {CUDA_LEAST[0]}.{CUDA_LEAST[1]}"
    )
    return Arithmetic("torch-cuda", EXACT, kind, _version("torch"), lacks), lacks


def _exact(able: Arithmetic) -> Arithmetic:
    """Hold the same device to float32."""
    kind = able.kind if able.engine.endswith("cuda") else f"{read_cpu().vectors}+{blas_kernels()}"
    return replace(able, precision=EXACT, kind=kind, why="float32 was asked for")


@cache
def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
