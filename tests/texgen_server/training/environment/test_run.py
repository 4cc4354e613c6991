# SPDX-License-Identifier: Apache-2.0
"""A toy training of the environment generator from files on: it learns, goes on where it stood,
exports, and is measured.
"""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

from tests.texgen_server.training.environment.test_data import clear_day
from texgen.files.images import encode_exr
from texgen.maps import ColorSpace, Light
from texgen.modelcard import read_card
from texgen_server.networks.params import EnvironmentParams
from texgen_server.registry import load_model
from texgen_server.training.catalog import read_split, split_rows
from texgen_server.training.environment.data import SPLIT_FILE, read_environments
from texgen_server.training.environment.run import (
    measure_environment,
    prepared_pack,
    train_environment,
)
from texgen_server.training.environment.settings import EnvironmentConfig
from texgen_server.training.environment.trainer import EnvironmentTrainer
from texgen_server.training.runner import EvalOptions, TrainOptions
from texgen_server.training.schedule import EmaSchedule

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
CONFIG = EnvironmentConfig(
    steps=30,
    batch=2,
    warmup_steps=12,
    lr=3e-3,
    ema=EmaSchedule(5.0),
    params=EnvironmentParams(6, 16, 2, (12, 12, 8)),
)
MAPS = {  # asset: (class, light); the split holds between_bridges out
    "meadow": ("outdoor_clear", Light(40.0, 35.0, 0.5, (10.0, 9.0, 8.0))),
    "hill": ("outdoor_clear", Light(-90.0, 50.0, 0.6, (20.0, 18.0, 15.0))),
    "between_bridges": ("outdoor_clear", Light(10.0, 40.0, 0.5, (10.0, 9.0, 8.0))),
    "hall": ("indoor", Light(0.0, 60.0, 3.0, (0.5, 0.4, 0.3))),
}


def train_rows(pack):
    return split_rows(pack.assets, read_split(SPLIT_FILE))[0]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder as the training data's, with four maps."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "environments").mkdir()
    with (folder / "environments.csv").open("w", newline="") as file:
        names = ("asset_id", "publisher", "class", "licence", "source", "energy_lost_to_clamp")
        table = csv.DictWriter(file, names)
        table.writeheader()
        for asset, (name, light) in MAPS.items():
            table.writerow(
                dict(zip(names, (asset, "us", name, "CC0-1.0", "made", 0.0), strict=True))
            )
            data = encode_exr(clear_day(light=light).astype(np.float16), ColorSpace.LINEAR)
            (folder / "environments" / f"{asset}.exr").write_bytes(data)
    return folder


@pytest.mark.held
@pytest.mark.usefixtures("nothing_emulated")
def test_it_learns_and_goes_on_where_it_stood(data, tmp_path, monkeypatch):
    pack = prepared_pack(data, read_environments(data), tmp_path / "work")
    trainer = EnvironmentTrainer(pack, train_rows(pack), CONFIG, CPU)
    with torch.no_grad():
        trainer.generator.head.conv.weight.normal_(0.0, 0.3)  # noise, which it has to unlearn
    once = next(windows for windows in iter(trainer.windows, None) if windows.own.all())
    monkeypatch.setattr(trainer, "windows", lambda: once)
    records = list(trainer.run())
    assert records[CONFIG.warmup_steps - 1]["loss"] < 0.8 * records[0]["loss"]
    assert all(("g" in r) == (step >= CONFIG.warmup_steps) for step, r in enumerate(records))
    trainer.save(tmp_path / "state.safetensors")
    other = EnvironmentTrainer(pack, train_rows(pack), CONFIG, CPU)
    other.load(tmp_path / "state.safetensors")
    assert other.position == CONFIG.steps
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            trainer.ema_generator.parameters(), other.ema_generator.parameters(), strict=True
        )
    )


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
