# SPDX-License-Identifier: Apache-2.0
"""Instructions of a processor."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from tests.texgen_server.precision.processors import (
    AVX2,
    AVX512,
    HELD,
    ROOT,
    SAPPHIRE_RAPIDS,
    flags,
)
from texgen_server.precision import cpu
from texgen_server.precision.cpu import Cpu, parse_cpuinfo, usable

pytestmark = pytest.mark.held


@pytest.mark.parametrize(
    ("said", "environment", "vectors", "bfloat16"),
    [
        (AVX2, {}, "avx2", ""),
        (AVX512, {}, "avx512", ""),
        (AVX512 | flags("avx512_bf16"), {}, "avx512", "avx512_bf16"),
        (SAPPHIRE_RAPIDS, {}, "avx512", "amx"),
        (AVX512 | flags("amx"), {}, "avx512", "amx"),
        (AVX2 | flags("avx512_bf16", "amx"), {}, "avx2", ""),
        (SAPPHIRE_RAPIDS, HELD, "avx2", ""),
        (SAPPHIRE_RAPIDS, {"ATEN_CPU_CAPABILITY": "avx2"}, "avx2", ""),
        (SAPPHIRE_RAPIDS, {"ONEDNN_MAX_CPU_ISA": "avx512_core_vnni"}, "avx512", ""),
        (SAPPHIRE_RAPIDS, {"DNNL_MAX_CPU_ISA": "AVX512_CORE_BF16"}, "avx512", "avx512_bf16"),
        (
            SAPPHIRE_RAPIDS,
            {"ONEDNN_MAX_CPU_ISA": "ALL", "ATEN_CPU_CAPABILITY": "avx512"},
            "avx512",
            "amx",
        ),
        (AVX2, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"}, "avx2", ""),
        (frozenset({"fp", "asimd", "bf16"}), {}, "neon", ""),
    ],
)
def test_what_a_processor_may_be_used_for(said, environment, vectors, bfloat16):
    found = usable(said, "a table", environment)
    assert (found.vectors, found.bfloat16) == (vectors, bfloat16)


def test_nothing_known_is_nothing_claimed():
    assert usable(frozenset(), "nowhere", HELD).bfloat16 == ""
    assert usable(frozenset(), "nowhere", {}).vectors


def test_flags_are_those_that_all_cores_have():
    text = (
        "processor : 0\nflags\t\t: sse4_1 avx avx2 avx512f\n\nprocessor : 1\nflags\t\t: "
        "sse4_1 avx avx2\n"
    )
    assert parse_cpuinfo(text) == {"sse4_1", "avx", "avx2"}
    assert parse_cpuinfo("processor : 0\nFeatures : fp asimd bf16\n") == {"fp", "asimd", "bf16"}
    assert parse_cpuinfo("model name : a chip\n") == frozenset()


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="OpenBLAS's kernels of x86-64"
)
def test_the_kernels_of_numpy_are_part_of_the_name():
    code = "from texgen_server.precision import decide; print(decide('openvino').name)"
    environments = [
        os.environ | {"OPENBLAS_CORETYPE": core} for core in ("Haswell", "Nehalem", "Haswell")
    ]
    names = [
        subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=e, text=True)
        for e in environments
    ]
    assert names[0] == names[2] != names[1]


def test_this_machine_is_read():
    found = cpu.read_cpu()
    assert isinstance(found, Cpu)
    if sys.platform == "linux" and not any(name in os.environ for name in HELD):
        assert found.says == "/proc/cpuinfo"
