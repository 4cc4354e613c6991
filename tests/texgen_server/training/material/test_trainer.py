# SPDX-License-Identifier: Apache-2.0
"""The material trainer: guided crops, states, adversarial losses, divergence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.texgen_server.training.toys import MATERIAL, toy_pack
from texgen_server.training.divergence import DivergedError
from texgen_server.training.material.settings import MaterialConfig, Stage
from texgen_server.training.material.trainer import MaterialTrainer

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")


def small_config(images=16):
    stages = (Stage(128, images, {128: 0.5, 256: 0.5}),)
    return MaterialConfig(stages, batch=4, warmup_images=4, params=MATERIAL)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return toy_pack(tmp_path_factory.mktemp("toys"))


@pytest.mark.held
@pytest.mark.usefixtures("nothing_emulated")
def test_crops_above_the_coarse_density_are_guided(pack):
    config = replace(small_config(), stages=(Stage(256, 16, {512: 1.0}),), scanned_guides=0.5)
    trainer = MaterialTrainer(pack, [0, 1, 2, 3], config, CPU)
    seen = list(trainer.run())
    assert all("guide" in r and "layout" not in r for r in seen)
    assert any("spectrum" in r for r in seen)
    assert all(
        float(block.guide.weight.detach().abs().max()) > 0 for block in trainer.generator.blocks
    )


@pytest.mark.held
@pytest.mark.usefixtures("nothing_emulated")
def test_a_state_continues_where_it_stood(pack, tmp_path):
    trainer = MaterialTrainer(pack, [0, 1, 2, 3], small_config(), CPU)
    trainer.measure_codes()
    before = [p.detach().clone() for p in trainer.generator.parameters()]
    assert len(list(trainer.run())) == 4
    assert trainer.position == 16
    assert any(
        not torch.equal(a, b) for a, b in zip(before, trainer.generator.parameters(), strict=True)
    )
    trainer.save(tmp_path / "state.safetensors")
    other = MaterialTrainer(pack, [0, 1, 2, 3], small_config(32), CPU)
    other.load(tmp_path / "state.safetensors")
    assert other.position == 16
    for name in ("generator", "ema_generator", "discriminator", "codes"):
        for a, b in zip(
            getattr(trainer, name).parameters(), getattr(other, name).parameters(), strict=True
        ):
            assert torch.equal(a, b)
    assert (
        other.optimizer_g.state_dict()["state"].keys()
        == trainer.optimizer_g.state_dict()["state"].keys()
    )
    assert len(list(other.run())) == 4
    assert other.position == 32


@pytest.mark.parametrize("game", ["relativistic", "wgan-gp"])
def test_every_adversarial_loss_trains(pack, game):
    trainer = MaterialTrainer(pack, [0, 1, 2, 3], replace(small_config(24), game=game), CPU)
    trainer.measure_codes()
    records = list(trainer.run())
    assert trainer.position == 24
    assert all(np.isfinite(v) for record in records for v in record.values())


def test_a_diverged_run_goes_back_to_its_last_good_state(pack):
    trainer = MaterialTrainer(pack, [0, 1, 2, 3], small_config(48), CPU)
    trainer.measure_codes()
    records, broken = [], []
    for record in trainer.run():
        records.append(record)
        if trainer.position == 24 and not broken:
            broken.append(True)
            with torch.no_grad():
                trainer.generator.stem.conv.weight.fill_(float("nan"))
    assert [r["rolled_back"] for r in records if "rolled_back" in r] == [1]
    assert trainer.position == 48
    assert trainer.rate_scale == 0.5
    assert all(torch.isfinite(p).all() for p in trainer.ema_generator.parameters())


def test_a_run_that_diverges_again_and_again_says_so(pack):
    trainer = MaterialTrainer(pack, [0, 1, 2, 3], small_config(48), CPU)
    with pytest.raises(DivergedError, match="smaller learning rate"):
        for _ in trainer.run():
            trainer.generator.stem.conv.weight.data.fill_(float("nan"))
