# SPDX-License-Identifier: Apache-2.0
"""Flags of processors."""

from __future__ import annotations

from pathlib import Path

from texgen_server.precision.cpu import NEEDED

ROOT = Path(__file__).parents[3]


HELD = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
"""Holds a machine to AVX2, as `.ci/run` does for the precision stage."""


def flags(*levels):
    return frozenset().union(*(NEEDED[name] for name in levels))


AVX2 = flags("sse4", "avx", "avx2")


AVX512 = AVX2 | flags("avx512")


SAPPHIRE_RAPIDS = AVX512 | flags("avx512_bf16", "amx")
