# SPDX-License-Identifier: Apache-2.0
"""The estimator's trainer learns what depends on what, goes on where it stood, and exports."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.texgen_server.training.estimator.toys import write_waves
from texgen.modelcard import read_card
from texgen_server.networks.params import EstimatorParams
from texgen_server.networks.torch_parts import build_estimator
from texgen_server.registry import load_model
from texgen_server.training.estimator.data import TileSource
from texgen_server.training.estimator.export import write_estimator
from texgen_server.training.estimator.settings import EstimatorConfig
from texgen_server.training.estimator.trainer import EstimatorTrainer

PARAMS = EstimatorParams(2, (8, 8, 12, 12))


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return write_waves(tmp_path_factory.mktemp("pack"))


@pytest.mark.slow
@pytest.mark.held
@pytest.mark.usefixtures("nothing_emulated")
def test_it_learns_goes_on_and_exports(pack, tmp_path):
    source = TileSource(pack, ["bright", "dark"])
    config = EstimatorConfig(steps=200, batch=2, lr=2e-2)
    trainer = EstimatorTrainer(source, [0, 1, 2, 3], PARAMS, config, torch.device("cpu"))
    records = list(trainer.run())
    for name in ("roughness",):
        first, last = (
            np.mean([r[name] for r in part if name in r]) for part in (records[:20], records[-20:])
        )
        assert last < 0.7 * first, name
    trainer.save(tmp_path / "state.safetensors")
    other = EstimatorTrainer(source, [0, 1, 2, 3], PARAMS, config, torch.device("cpu"))
    other.load(tmp_path / "state.safetensors")
    assert other.position == 200
    assert all(
        torch.equal(a, b)
        for a, b in zip(trainer.ema.parameters(), other.ema.parameters(), strict=True)
    )
    weights = {f"ema/{k}": v.numpy() for k, v in other.ema.state_dict().items()}
    write_estimator(
        weights,
        PARAMS,
        {"bright": ["b", "d"], "dark": ["a", "c"]},
        tmp_path / "estimator",
        "0.0.1",
        {"training_images": 400},
    )
    model = load_model(read_card(tmp_path / "estimator"))
    assert build_estimator(model.params, model.weights).params == PARAMS
