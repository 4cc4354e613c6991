# SPDX-License-Identifier: Apache-2.0
"""Weights of graphs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.texgen_server.graphs.shapes import KINDS
from texgen import find_card
from texgen.errors import LoadError
from texgen_server.backends.openvino_backend import OpenVinoBackend
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.registry import load_model

pytestmark = pytest.mark.held


@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_do_not_fit_are_refused_alike(models, kind):
    model = load_model(find_card(kind, models))
    name = sorted(n for n in model.weights if ".guide." not in n)[0]
    wrong = {
        "missing": {k: v for k, v in model.weights.items() if k != name},
        "not": model.weights | {name: np.zeros((*model.weights[name].shape, 2), np.float32)},
        "called": model.weights | {"nobody.weight": np.zeros(1, np.float32)},
    }
    for word, weights in wrong.items():
        for backend in (OpenVinoBackend, TorchBackend):
            arguments = ("f32", None) if backend is OpenVinoBackend else ("cpu", "f32")
            with pytest.raises(LoadError, match="do not fit") as refused:
                backend(replace(model, weights=weights), *arguments)
            assert backend is TorchBackend or word in str(refused.value)
