# SPDX-License-Identifier: Apache-2.0
"""Reads which instructions the processor offers: its flags, within the limits that environment
variables set. Imports no torch.

``ONEDNN_MAX_CPU_ISA`` limits OpenVINO's and torch's convolutions to an instruction set,
``ATEN_CPU_CAPABILITY`` the rest of torch. Both are honoured: ``ATEN_CPU_CAPABILITY=avx2
ONEDNN_MAX_CPU_ISA=AVX2`` makes any x86-64 machine compute as one with AVX2 only.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np  # noqa: F401 - its library of products is looked at
from threadpoolctl import threadpool_info

from texgen_server.process.openvino_loader import load_openvino

CPUINFO = Path("/proc/cpuinfo")
LEVELS = ("sse4", "avx", "avx2", "avx512", "avx512_bf16", "amx")
"""Instruction levels of x86-64, each with all before it; the last two multiply in bfloat16."""
NEEDED = {
    "sse4": {"sse4_1"},
    "avx": {"avx"},
    "avx2": {"avx2", "fma"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "avx512_bf16": {"avx512_bf16"},
    "amx": {"amx_tile", "amx_bf16"},
}
"""Level -> the flags that it adds, as Linux writes them."""
ONEDNN_LIMITS = {
    "SSE41": "sse4",
    "AVX": "avx",
    "AVX2": "avx2",
    "AVX2_VNNI": "avx2",
    "AVX2_VNNI_2": "avx2",
    "AVX512_CORE": "avx512",
    "AVX512_CORE_VNNI": "avx512",
    "AVX512_CORE_BF16": "avx512_bf16",
    "AVX512_CORE_FP16": "avx512_bf16",
    "AVX10_1_512": "avx512_bf16",
}
"""Value of the variable -> the highest level that it leaves; any other value limits nothing, as in
oneDNN.
"""
ATEN_LIMITS = {"default": "sse4", "avx2": "avx2"}
WINDOWS_FEATURES = {
    10: ("sse4_1",),
    39: ("avx",),
    40: ("avx2", "fma"),
    41: ("avx512f", "avx512bw", "avx512dq", "avx512vl"),
}
"""``IsProcessorFeaturePresent`` -> flags.

Windows does not tell about FMA and the parts of AVX-512; no processor has one without the other.
"""


@dataclass(frozen=True)
class Cpu:
    """Instructions of a processor that may be used."""

    vectors: str
    """Widest vectors: a level up to ``avx512``, ``neon``, or the machine's name where no flag is
    known.
    """
    bfloat16: str
    """The instructions that multiply in bfloat16, ``avx512_bf16`` or ``amx``; empty where there are
    none.
    """
    says: str
    """Source of this information, for people: a file, or the variable that limits it."""


def read_cpu(environment: Mapping[str, str] | None = None) -> Cpu:
    """Read what the processor of this machine may be used for.

    ``environment``: by default ``os.environ``.
    """
    flags, source = _flags()
    return usable(flags, source, os.environ if environment is None else environment)


def usable(flags: frozenset[str], source: str, environment: Mapping[str, str]) -> Cpu:
    """Return the usable instructions of a processor with such flags, within the environment's
    limits.
    """
    level = _level(flags)
    if level < 0:
        vectors = "neon" if flags & {"asimd", "neon"} else platform.machine().lower() or "unknown"
        return Cpu(vectors, "", source)
    held, says = level, source
    for variable, limit in _limits(environment):
        if LEVELS.index(limit) < held:
            held, says = LEVELS.index(limit), variable
    top = LEVELS.index("avx512")
    return Cpu(LEVELS[min(held, top)], LEVELS[held] if held > top else "", says)


def _level(flags: frozenset[str]) -> int:
    """Find the index of the highest level; -1 without any.

    AMX counts without AVX-512 BF16, which virtual machines may hide, but not without AVX-512.
    """
    found = -1
    for index, name in enumerate(LEVELS):
        if NEEDED[name] <= flags:
            found = index
        elif name != "avx512_bf16":
            break
    return found


def _limits(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each limit: the variable as it is set, the level that it leaves."""
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        if (value := environment.get(name, "").upper()) in ONEDNN_LIMITS:
            yield f"{name}={value}", ONEDNN_LIMITS[value]
            break
    if (value := environment.get("ATEN_CPU_CAPABILITY", "")) in ATEN_LIMITS:
        yield f"ATEN_CPU_CAPABILITY={value}", ATEN_LIMITS[value]


@cache
def blas_kernels() -> str:
    """Name the kernels that numpy multiplies matrices with, such as ``SkylakeX`` or ``Haswell``:
    they differ in bytes, whatever the networks do.

    OpenBLAS chooses them by processor, or as ``OPENBLAS_CORETYPE`` says. Another library is named
    itself, as it does not tell.
    """
    found = [library for library in threadpool_info() if library["user_api"] == "blas"]
    own = [library for library in found if "numpy" in Path(library["filepath"]).as_posix()] or found
    return str(own[0].get("architecture") or own[0]["internal_api"]) if own else "numpy"


@cache
def _flags() -> tuple[frozenset[str], str]:
    """Read the flags, as Linux writes them, and return their source; a flag that cannot be found
    out counts as missing.
    """
    if sys.platform == "win32":
        return _windows_flags(), "Windows"
    if sys.platform == "darwin":
        return frozenset(
            {"asimd"} if platform.machine() == "arm64" else {"sse4_1", "avx", "avx2", "fma"}
        ), "macOS"
    try:
        return parse_cpuinfo(CPUINFO.read_text(encoding="utf-8", errors="replace")), str(CPUINFO)
    except OSError as error:
        return _openvino_flags(), f"OpenVINO, as {CPUINFO} cannot be read: {error.strerror}"


def parse_cpuinfo(text: str) -> frozenset[str]:
    """Take the flags that every processor in the text has: on a machine with two kinds of cores a
    thread may meet either.
    """
    lines = [line.partition(":") for line in text.splitlines()]
    rows = [
        frozenset(value.split()) for key, _, value in lines if key.strip() in ("flags", "Features")
    ]
    return frozenset.intersection(*rows) if rows else frozenset()


def _windows_flags() -> frozenset[str]:
    present = ctypes.windll.kernel32.IsProcessorFeaturePresent  # type: ignore[attr-defined,unused-ignore]
    flags = {
        flag for number, names in WINDOWS_FEATURES.items() if present(number) for flag in names
    }
    return frozenset(flags) | _openvino_flags()


def _openvino_flags() -> frozenset[str]:
    """Ask OpenVINO, on systems that do not tell about bfloat16 themselves; empty without
    OpenVINO.
    """
    if importlib.util.find_spec("openvino") is None:
        return frozenset()
    # OpenVINO is optional, and only asked where the system does not report bfloat16
    known = load_openvino()[0].Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    below = set().union(*(NEEDED[name] for name in LEVELS[: LEVELS.index("amx")]))
    return frozenset(below) if "BF16" in known else frozenset()
