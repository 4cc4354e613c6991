# SPDX-License-Identifier: Apache-2.0
"""The decision for a precision, and its name."""

from __future__ import annotations

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
from texgen.errors import InvalidRequestError
from texgen_server.backends import arithmetic, load_backend
from texgen_server.config import ServerConfig
from texgen_server.engine.local import LocalEngine
from texgen_server.precision import EXACT, allowed, cpu, decide
from texgen_server.rpc.server import EmbeddedServer

pytestmark = pytest.mark.held


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


def test_deciding_imports_neither_torch_nor_openvino():
    code = (
        "import sys, texgen_server.precision as p; p.decide('openvino'); sys.exit('torch' "
        "in sys.modules or 'openvino' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
