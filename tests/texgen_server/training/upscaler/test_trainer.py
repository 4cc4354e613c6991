# SPDX-License-Identifier: Apache-2.0
"""The upscaler's trainer starts as bicubic interpolation, gets ahead of it, goes on where it stood,
and exports.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.texgen_server.training.toys import write_toy_scans
from texgen.modelcard import read_card
from texgen_server.networks.params import UpscalerParams
from texgen_server.networks.torch_parts import build_upscaler
from texgen_server.registry import load_model
from texgen_server.training.upscaler.export import write_upscaler
from texgen_server.training.upscaler.settings import UpscalerConfig
from texgen_server.training.upscaler.trainer import UpscalerTrainer

pytestmark = pytest.mark.slow
CONFIG = UpscalerConfig(
    steps=160,
    batch=4,
    shares=(0.1, 0.45, 0.45),
    small_px=32,
    margin_px=6,
    lr=3e-3,
    params=UpscalerParams(16, 4),
)


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    return write_toy_scans(tmp_path_factory.mktemp("scans"))


def mean_gain(records):
    """Share of bicubic's error that is gone."""
    return np.mean(
        [v for r in records for k, v in r.items() if k.endswith("_gain") and not k.startswith("x1")]
    )


@pytest.mark.held
@pytest.mark.usefixtures("nothing_emulated")
def test_it_gets_ahead_of_bicubic_interpolation_and_goes_on(scans, tmp_path):
    trainer = UpscalerTrainer(scans, [0], CONFIG, torch.device("cpu"))
    records = list(trainer.run())
    assert mean_gain(records[:3]) == pytest.approx(0.0, abs=0.02)
    assert mean_gain(records[-32:]) > 0.05
    assert any("metallic" in key for r in records for key in r)  # made up: the scan has none
    trainer.save(tmp_path / "state.safetensors")
    other = UpscalerTrainer(scans, [0], CONFIG, torch.device("cpu"))
    other.load(tmp_path / "state.safetensors")
    assert other.position == 160
    assert all(
        torch.equal(a, b)
        for a, b in zip(trainer.ema.parameters(), other.ema.parameters(), strict=True)
    )
    weights = {k: v.numpy() for k, v in other.ema.state_dict().items()}
    write_upscaler(weights, CONFIG.params, tmp_path / "upscaler", "0.0.1", {"training_images": 640})
    model = load_model(read_card(tmp_path / "upscaler"))
    assert build_upscaler(model.params, model.weights).params == CONFIG.params
