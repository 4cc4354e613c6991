# SPDX-License-Identifier: Apache-2.0
"""A toy run of the environment generator: trained from files on, exported, measured."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.training.environment.toys import write_toy_environments
from texgen.modelcard import read_card
from texgen_server.networks.params import EnvironmentParams
from texgen_server.registry import load_model
from texgen_server.training.environment.run import measure_environment, train_environment
from texgen_server.training.environment.settings import EnvironmentConfig
from texgen_server.training.runner import EvalOptions, TrainOptions
from texgen_server.training.schedule import EmaSchedule

pytestmark = pytest.mark.slow
CONFIG = EnvironmentConfig(
    steps=30,
    batch=2,
    warmup_steps=12,
    lr=3e-3,
    ema=EmaSchedule(5.0),
    params=EnvironmentParams(6, 16, 2, (12, 12, 8)),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_toy_environments(tmp_path_factory.mktemp("data"))


def test_a_run_exports_a_model_that_is_measured(data, tmp_path):
    work, models = tmp_path / "work", tmp_path / "models"
    train_environment(
        TrainOptions(data, work, 4, export=models / "environment", device="cpu"), CONFIG
    )
    card = read_card(models / "environment")
    assert [c.name for c in card.classes] == ["indoor", "outdoor_clear"]
    assert "between_bridges" not in {asset for c in card.classes for asset in c.materials}
    assert card.data["training_images"] == 4 * CONFIG.batch
    assert load_model(card).tables.layouts.shape == (3, 4, 64, 128)
    figures = measure_environment(
        EvalOptions(data, work, tmp_path, "environment", models, "torch", tmp_path / "pictures")
    )
    for part in ("training maps through their codes", "held-out maps by 100 steps"):
        assert (
            figures[part]["irradiance error"]
            < 0.5 * figures[part]["irradiance error of the class mean"]
        )
    assert figures["samples"]["seam percentile"] < 99.0
    assert np.isfinite(
        list(figures["views of samples, held-out maps and training maps"].values())
    ).all()
    assert {p.name for p in (tmp_path / "pictures").iterdir()} == {
        "classes_1.webp",
        "day.webp",
        "preview.png",
    }
