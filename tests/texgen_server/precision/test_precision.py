# SPDX-License-Identifier: Apache-2.0
"""Precision is decided in one room, from what the hardware says; and what it is called holds what
it promises.
"""

from __future__ import annotations

import ast
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from texgen.errors import InvalidRequestError
from texgen_server.backends import arithmetic, load_backend
from texgen_server.config import ServerConfig
from texgen_server.engine.local import LocalEngine
from texgen_server.precision import EXACT, allowed, cpu, decide
from texgen_server.precision.cpu import NEEDED, Cpu, parse_cpuinfo, usable
from texgen_server.rpc.server import EmbeddedServer

pytestmark = pytest.mark.held
ROOT = Path(__file__).parents[3]
HELD = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
"""Holds a machine to AVX2, as `.ci/run` does for the precision stage."""
NAMES = {"bf16", "f32", "fp16", "f16", "bfloat16"}
"""No string like these outside of the room. (``float16`` is a type of pixels too.)"""
CHOICES = {
    "bfloat16",
    "autocast",
    "half",
    "set_float32_matmul_precision",
    "allow_tf32",
    "fp32_precision",
}
"""Nor anything of torch's by these names."""


def flags(*levels):
    return frozenset().union(*(NEEDED[name] for name in levels))


AVX2 = flags("sse4", "avx", "avx2")
AVX512 = AVX2 | flags("avx512")
SAPPHIRE_RAPIDS = AVX512 | flags("avx512_bf16", "amx")


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


def machine(monkeypatch, said):
    """This machine's CPU has these flags from here on, and nothing holds it to less."""
    monkeypatch.setattr(cpu, "_flags", lambda: (said, "a table"))
    for name in (*HELD, "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("device", ["openvino", pytest.param("torch", marks=pytest.mark.torch)])
def test_bfloat16_is_decided_for_where_the_cpu_multiplies_in_it(monkeypatch, device):
    machine(monkeypatch, SAPPHIRE_RAPIDS)
    assert decide(device).precision == "bf16"
    assert "amx" in decide(device).name
    assert allowed(device) == ("bf16", "f32")
    assert decide(device, "f32").precision == "f32"
    machine(monkeypatch, AVX512)
    assert decide(device).precision == "f32"
    assert allowed(device) == ("f32",)
    for name, value in HELD.items():
        monkeypatch.setenv(name, value)
    assert decide(device).precision == "f32"
    assert "/avx2+" in decide(device).name


def test_bfloat16_is_refused_where_it_would_be_emulated(monkeypatch, models, tmp_path):
    from texgen.modelcard import find_card
    from texgen_server.registry import load_material

    machine(monkeypatch, AVX2)
    with pytest.raises(
        InvalidRequestError, match=r"neither AMX nor AVX-512 BF16 \(avx2; a table\).*auto and f32"
    ):
        load_backend(load_material(find_card("material", models)), "torch", "bf16", tmp_path)
    with pytest.raises(InvalidRequestError, match="allowed are auto, bf16, f32"):
        decide("openvino", "double")


@pytest.mark.parametrize("device", ["openvino", "torch"])
def test_an_engine_that_would_emulate_does_not_start(monkeypatch, models, device):
    """Nor does a server inside a program, which would refuse each call instead."""
    machine(monkeypatch, AVX2)
    with pytest.raises(InvalidRequestError, match="neither AMX nor AVX-512 BF16"):
        LocalEngine(ServerConfig(models=models, device=device, precision="bf16"))
    chosen = ServerConfig(port=0, models=models, device=device, precision="bf16")
    with pytest.raises(InvalidRequestError, match="auto and f32"), EmbeddedServer(chosen):
        pass


@pytest.mark.torch
@pytest.mark.parametrize(
    ("device", "seen", "told"),
    [
        ("cuda", 0, "no CUDA device"),
        ("cuda:3", 0, "no CUDA device"),
        ("cuda:3", 2, "2 CUDA devices"),
    ],
)
def test_a_cuda_device_that_torch_does_not_see_is_refused(monkeypatch, models, device, seen, told):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: seen > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
    with pytest.raises(InvalidRequestError, match=f"{device}.*{told}"):
        LocalEngine(ServerConfig(models=models, device=device))


@pytest.mark.torch
def test_torch_on_a_cpu_serves_as_the_reference(monkeypatch):
    machine(monkeypatch, SAPPHIRE_RAPIDS)
    assert arithmetic("torch", "auto").precision == EXACT
    assert "reference" in arithmetic("torch", "auto").why
    assert arithmetic("torch", "bf16").precision != EXACT


@pytest.mark.torch
def test_what_may_differ_in_bytes_differs_in_name(monkeypatch):
    names = set()
    for said in (AVX2, AVX512, AVX512 | flags("avx512_bf16"), SAPPHIRE_RAPIDS):
        machine(monkeypatch, said)
        names |= {decide("openvino").name, decide("torch").name}
        with monkeypatch.context() as changed:
            changed.setattr(
                "texgen_server.precision.decision._version", lambda library: f"next {library}"
            )
            changed.setattr("texgen_server.precision.decision._torch_threads", lambda: 99)
            names |= {decide("openvino").name, decide("torch").name}
            changed.setattr("texgen_server.precision.decision.blas_kernels", lambda: "others")
            names |= {decide("openvino").name, decide("torch").name}
    assert len(names) == 4 * 6


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


def test_deciding_imports_neither_torch_nor_openvino():
    code = (
        "import sys, texgen_server.precision as p; p.decide('openvino'); sys.exit('torch' "
        "in sys.modules or 'openvino' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_this_machine_is_read():
    found = cpu.read_cpu()
    assert isinstance(found, Cpu)
    if sys.platform == "linux" and not any(name in os.environ for name in HELD):
        assert found.says == "/proc/cpuinfo"


# -- the source
# --------------------------------------------------------------------------------------------------


def choices(source: str) -> list[str]:
    """Where a file chooses a precision by hand: names and types of the smaller ones, and torch's
    own contexts.
    """
    found = []
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CHOICES | NAMES | {"QUICK"}:
            found.append(f"{node.lineno}: .{node.attr}")
        if isinstance(node, ast.alias) and node.name == "QUICK":
            found.append(f"{node.lineno}: {node.name}")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES:
            found.append(f"{node.lineno}: {node.value!r}")
    return found


@pytest.mark.parametrize(
    "path",
    [p for p in (ROOT / "texgen_server").rglob("*.py") if p.parent.name != "precision"],
    ids=lambda p: p.stem,
)
def test_no_precision_is_chosen_by_hand(path):
    assert choices(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        'TorchBackend(model, "cpu", "bf16")',
        "with torch.autocast('cpu', torch.bfloat16):\n    pass",
        "network.to(torch.bfloat16)",
        "network.half()",
        'hints = {"INFERENCE_PRECISION_HINT": "f32"}',
        'hints = {"INFERENCE_PRECISION_HINT": ov.Type.bf16}',
        "torch.backends.cuda.matmul.allow_tf32 = True",
        'torch.backends.cudnn.conv.fp32_precision = "tf32"',
        "from texgen_server.precision.decision import QUICK",
        "TorchBackend(model, 'cpu', decision.QUICK)",
    ],
)
def test_a_choice_by_hand_is_caught(source):
    assert choices(source)
