# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from texgen.errors import InvalidRequestError
from texgen.recipe import make_recipe
from texgen_server.backends import load_backend
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.registry import load_model
from texgen_server.sampling import make_latents


def run(backend, latents):
    style, relief = backend.style(latents.code, latents.log2_density)
    return backend.head(backend.features(style, latents.start, latents.layouts, latents.noises))[0], relief


@pytest.fixture(scope="module")
def model(card):
    return load_model(card)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("graphs")


@pytest.mark.parametrize("size", [(64, 64), (160, 96)])
def test_openvino_equals_torch(model, card, folder, size):
    pytest.importorskip("openvino")
    latents = make_latents(make_recipe(card, [("brick", 1.0)], 3, size), model.tables, model.shape)
    ours, relief = run(load_backend(model, "openvino", "f32", folder), latents)
    reference, relief_reference = run(TorchBackend(model, "cpu", "f32"), latents)
    assert ours.shape == (7, size[1], size[0])
    assert np.abs(ours - reference).max() < 1e-4
    assert np.allclose(relief, relief_reference, rtol=1e-4)


def test_openvino_tiles_exactly(model, card, folder):
    """Rolling the inputs by a cell rolls the output: at the backend's own precision, to 1 LSB of the stored depth."""
    pytest.importorskip("openvino")
    backend = load_backend(model, "openvino", "auto", folder)
    latents = make_latents(make_recipe(card, [("brick", 1.0)], 3, (96, 96)), model.tables, model.shape)
    plain, _ = run(backend, latents)
    style, _ = backend.style(latents.code, latents.log2_density)
    layouts = [np.roll(f, 2**i, (2, 3)) for i, f in enumerate(latents.layouts)]
    noises = [np.roll(f, 2**i, (2, 3)) for i, f in enumerate(latents.noises)]
    rolled = backend.head(backend.features(style, np.roll(latents.start, 1, (2, 3)), layouts, noises))[0]
    assert np.abs(np.roll(plain, 32, (1, 2)) - rolled).max() <= 1.0 / 255


def test_a_second_start_needs_no_torch(model, folder, models):
    pytest.importorskip("openvino")
    import subprocess
    import sys

    load_backend(model, "openvino", "f32", folder)
    code = (
        "import sys\nfrom pathlib import Path\nfrom texgen import find_card\nfrom texgen_server.registry import load_model\n"
        "from texgen_server.backends import load_backend\n"
        f"load_backend(load_model(find_card('', Path({str(models)!r}))), 'openvino', 'f32', Path({str(folder)!r}))\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_devices_are_refused(model, folder):
    with pytest.raises(InvalidRequestError, match="auto, cpu, openvino"):
        load_backend(model, "abacus", "auto", folder)


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(model, card, folder):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    latents = make_latents(make_recipe(card, [("brick", 1.0)], 3, (64, 64)), model.tables, model.shape)
    ours, _ = run(load_backend(model, "cuda", "f32", folder), latents)
    reference, _ = run(TorchBackend(model, "cpu", "f32"), latents)
    assert np.abs(ours - reference).max() < 1e-2
