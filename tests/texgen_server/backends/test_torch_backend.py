# SPDX-License-Identifier: Apache-2.0
"""torch as a backend: memory that runs out, CUDA."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.backends.plans import plan_of, run
from texgen_server.backends import load_backend
from texgen_server.backends.torch_backend import TorchBackend

pytestmark = pytest.mark.held


@pytest.mark.parametrize(
    "told",
    [
        "CUDA out of memory",
        "CUBLAS_STATUS_ALLOC_FAILED when calling",
        "GET was unable to find an engine to execute this computation",
    ],
)
def test_too_little_memory_is_told_as_such_whoever_notices(model, told, monkeypatch):
    backend = TorchBackend(model, "cpu", "f32")

    def fails(array):
        raise RuntimeError(told)

    monkeypatch.setattr(backend, "_put", fails)
    with pytest.raises(MemoryError, match=told):
        backend.run("mapping", [np.zeros((1, 1), np.float32)])


def test_other_errors_of_torch_stay_what_they_are(model):
    with pytest.raises(RuntimeError, match="mat1"):
        TorchBackend(model, "cpu", "f32").run(
            "mapping", [np.zeros((1, 3), np.float32), np.zeros((1, 1), np.float32)]
        )


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(model, card, folder):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    plan = plan_of(model, card, (64, 64))
    ours, _ = run(load_backend(model, "cuda", "f32", folder), model, plan)
    reference, _ = run(TorchBackend(model, "cpu", "f32"), model, plan)
    assert np.abs(ours - reference).max() < 1e-2
