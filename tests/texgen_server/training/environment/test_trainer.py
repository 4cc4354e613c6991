# SPDX-License-Identifier: Apache-2.0
"""The environment trainer learns, and goes on where it stood."""

from __future__ import annotations

import pytest
import torch

from tests.texgen_server.training.environment.toys import write_toy_environments
from texgen_server.networks.params import EnvironmentParams
from texgen_server.training.catalog import read_split, split_rows
from texgen_server.training.environment.data import SPLIT_FILE, read_environments
from texgen_server.training.environment.run import prepared_pack
from texgen_server.training.environment.settings import EnvironmentConfig
from texgen_server.training.environment.trainer import EnvironmentTrainer
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


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_toy_environments(tmp_path_factory.mktemp("data"))


def train_rows(pack):
    return split_rows(pack.assets, read_split(SPLIT_FILE))[0]


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
