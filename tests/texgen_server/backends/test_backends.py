# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import numpy as np
import pytest

from texgen.errors import InvalidRequestError
from texgen.recipes.build import make_recipe, mix_recipe
from texgen.recipes.recipe import MixMode
from texgen_server.backends import device_names, engine_name, load_backend
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.material.canvas import Window
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis
from texgen_server.precision import EXACT, allowed
from texgen_server.registry import load_material

pytestmark = pytest.mark.held


def plan_of(model, card, size):
    return make_plan(make_recipe(card, [("brick", 1.0)], 3, size), model.tables, model.shape)


def run(backend, model, plan):
    return Synthesis(backend, model.shape).raw(plan)


@pytest.fixture(scope="module")
def model(card):
    return load_material(card)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("graphs")


@pytest.mark.parametrize(
    "size", [(64, 64), (160, 96), (416, 384)], ids=["square", "oblong", "guided"]
)
def test_openvino_equals_torch(model, card, folder, size):
    pytest.importorskip("openvino")
    plan = plan_of(model, card, size)
    ours, relief = run(load_backend(model, "openvino", "f32", folder), model, plan)
    reference, relief_reference = run(TorchBackend(model, "cpu", "f32"), model, plan)
    assert ours.shape == (7, size[1], size[0])
    assert np.abs(ours - reference).max() < 1e-4
    assert relief == pytest.approx(relief_reference, rel=1e-4)


def test_openvino_paints_as_torch_does(model, card, folder):
    pytest.importorskip("openvino")
    parts = [
        (make_recipe(card, [(name, 1.0)], 3, (64, 96)), 1) for name in ("brick", "rock", "bark")
    ]
    mask = (np.indices((96, 64)).sum(0) // 40 % 3).astype(np.uint8)
    plan = make_plan(
        mix_recipe(card, parts, MixMode.PAINT, mask_sha256="00" * 32),
        model.tables,
        model.shape,
        mask=mask,
    )
    ours, _ = run(load_backend(model, "openvino", "f32", folder), model, plan)
    reference, _ = run(TorchBackend(model, "cpu", "f32"), model, plan)
    assert np.abs(ours - reference).max() < 1e-4


def test_the_name_tells_what_it_was_compiled_for(model, folder):
    pytest.importorskip("openvino")
    backend = load_backend(model, "openvino", "auto", folder)
    told = backend._compiled["trunk"].get_property("INFERENCE_PRECISION_HINT").get_type_name()
    assert backend.name.split("/")[1] == told == allowed("openvino")[0]
    assert backend.name == engine_name("openvino", "auto")
    assert backend.threads > 0


def test_threads_change_no_byte(model, card, folder):
    pytest.importorskip("openvino")
    plan = plan_of(model, card, (160, 96))
    first, *others = (
        Synthesis(load_backend(model, "openvino", "auto", folder, n), model.shape).maps(plan)[0]
        for n in (1, 2, 3)
    )
    assert all(np.array_equal(first[kind], other[kind]) for other in others for kind in first)


def test_as_many_threads_as_help():
    pytest.importorskip("openvino")
    from texgen_server.backends.threads import best_threads, fastest_threads

    assert best_threads({8: 1.0, 4: 1.9}) == 8
    assert best_threads({64: 5.0, 32: 2.0, 16: 1.02, 8: 1.0, 4: 1.3}) == 8
    assert best_threads({64: 1.1, 32: 1.0, 16: 1.03, 8: 1.6}) == 64
    assert 0 <= fastest_threads("f32") < (os.cpu_count() or 1)


def test_openvino_tiles_exactly(model, card, folder):
    """Rolling the inputs by a cell rolls the output: at the backend's own precision, to 1 LSB of
    the stored depth.
    """
    pytest.importorskip("openvino")
    synthesis = Synthesis(load_backend(model, "openvino", "auto", folder), model.shape)
    plan = plan_of(model, card, (96, 96))
    plain, rolled = (synthesis.window(plan, Window(-n, -n, 3, 3)) for n in (0, 1))
    assert np.abs(np.roll(plain, 32, (1, 2)) - rolled).max() <= 1.0 / 255


def test_halo_tiles_equal_the_whole_in_every_precision(model, card, folder):
    pytest.importorskip("openvino")
    for precision in allowed("openvino"):
        tolerance = 1e-5 if precision == EXACT else 1.0 / 255
        synthesis = Synthesis(load_backend(model, "openvino", precision, folder), model.shape)
        plan = plan_of(model, card, (576, 544))
        whole, _ = synthesis.raw(plan)
        tile = synthesis.part(plan, Window(1, 2, 3, 3))
        assert np.abs(tile - whole[:, 32:128, 64:160]).max() <= tolerance


def test_unknown_devices_are_refused(model, folder):
    with pytest.raises(InvalidRequestError, match="auto, cpu, openvino"):
        load_backend(model, "abacus", "auto", folder)


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


def test_settings_of_cudnn_come_back_when_the_last_thread_leaves():
    """They are the process's, which may be somebody else's; several devices run at a time."""
    import torch

    from texgen_server.precision.autocast import exact_convolutions

    cudnn = torch.backends.cudnn

    def settings():
        return [
            cudnn.deterministic,
            cudnn.benchmark,
            *([cudnn.conv.fp32_precision] if hasattr(cudnn, "conv") else [cudnn.allow_tf32]),
        ]

    cudnn.benchmark = True
    before = settings()
    first, second = exact_convolutions(), exact_convolutions()
    first.__enter__()
    assert settings() in ([True, False, "ieee"], [True, False, False])
    second.__enter__()
    first.__exit__(None, None, None)
    assert settings()[0]
    second.__exit__(None, None, None)
    after, cudnn.benchmark = settings(), False
    assert after == before


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


def test_devices_of_several_kinds_are_refused():
    with pytest.raises(InvalidRequestError, match="several kinds"):
        device_names("openvino,torch")
    with pytest.raises(InvalidRequestError, match="cuda:N"):
        device_names("cuda:x")
    assert device_names("cuda:0, cuda:1") == ["cuda:0", "cuda:1"]
