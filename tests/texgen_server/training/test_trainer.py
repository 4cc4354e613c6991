# SPDX-License-Identifier: Apache-2.0
"""The base of all trainers: updates, averages, states, and where a run starts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from texgen.errors import InvalidRequestError
from texgen_server.training.runner import RunFiles, mean_figures, run_training
from texgen_server.training.schedule import EmaSchedule, FinalDecay, WarmupDecay
from texgen_server.training.trainer import FixedLengthTrainer, averaged, frozen

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Config:
    total: int = 8
    seed: int = 3
    lr: float = 0.1
    clip_norm: float | None = None
    ema: EmaSchedule = field(default_factory=lambda: EmaSchedule(4.0))
    schedule: WarmupDecay = field(default_factory=lambda: WarmupDecay(2, 0.1))


class Toy(FixedLengthTrainer):
    """Fits a line; the data of a step depend on its number alone."""

    def __init__(self, config):
        super().__init__(config, CPU)
        self.config = config
        self.network = nn.Linear(3, 1)
        self.ema = averaged(self.network)
        self.optimizer = torch.optim.Adam(self.network.parameters(), config.lr)
        self.networks = {"network": self.network, "ema": self.ema}
        self.optimizers = {"optimizer": self.optimizer}
        self.averages = [(self.ema, self.network)]

    def step(self):
        x = torch.randn(5, 3, generator=torch.Generator().manual_seed(self.position))
        loss = (self.network(x) - x.sum(1, keepdim=True)).square().mean()
        self.update(self.optimizer, loss, self.config.lr, self.config.clip_norm)
        self.advance()
        return {"loss": float(loss.detach())}


def files(folder, **options):
    return RunFiles(folder / "state.safetensors", folder / "log.jsonl", str, **options)


def test_a_resumed_run_gives_the_bytes_of_one_that_ran_through(tmp_path):
    through = Toy(Config())
    assert len(list(through.run())) == 8
    through.save(tmp_path / "through")
    first = Toy(Config())
    for _ in range(3):
        first.step()
    first.save(tmp_path / "half")
    second = Toy(Config(seed=4))
    second.load(tmp_path / "half")
    assert second.position == 3
    list(second.run())
    second.save(tmp_path / "resumed")
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "through").read_bytes()


def test_averages_follow_their_half_life():
    trainer = Toy(Config(ema=EmaSchedule(half_life=4.0, first_half_life=2.0, growth=1.0)))
    ema, decays = trainer.ema.weight.clone(), []
    for position, half_life in enumerate((2.0, 3.0, 4.0, 4.0)):
        decays.append(trainer.ema_decay(1))
        assert decays[-1] == pytest.approx(0.5 ** (1.0 / half_life))
        assert trainer.position == position
        trainer.step()
        ema = ema * decays[-1] + trainer.network.weight.detach() * (1.0 - decays[-1])
    assert torch.allclose(trainer.ema.weight, ema, atol=1e-6)
    assert trainer.ema.weight.grad_fn is None
    assert EmaSchedule(100.0, 100.0, 0.0).decay(0, 100) == 0.5


def test_rates_rise_stay_and_fall():
    schedule = WarmupDecay(warmup=10, final_factor=0.1)
    assert schedule.factor(0, 100) == pytest.approx(0.1)
    assert schedule.factor(9, 100) == schedule.factor(50, 100) == 1.0
    assert schedule.factor(100, 100) == pytest.approx(0.1)
    late = FinalDecay(share=0.25, least_factor=0.05)
    assert late.factor(0, 100) == late.factor(75, 100) == 1.0
    assert late.factor(90, 100) == pytest.approx(0.4)
    assert late.factor(100, 100) == 0.05


def test_gradients_are_clipped_together():
    trainer = Toy(Config(clip_norm=0.5))
    loss = 1e3 * (trainer.network.weight.sum() + trainer.network.bias.sum())
    trainer.update(trainer.optimizer, loss, 0.1, trainer.config.clip_norm)
    gradients = torch.cat([p.grad.flatten() for p in trainer.network.parameters()])
    assert float(gradients.norm()) == pytest.approx(0.5, rel=1e-4)


def test_every_worker_and_every_start_has_a_random_stream_of_its_own():
    trainer = Toy(Config())
    seeds = {trainer.stream_seed()}
    trainer.position = 5
    seeds.add(trainer.stream_seed())
    trainer.workers = type(trainer.workers)(rank=1, count=2)
    seeds.add(trainer.stream_seed())
    assert len(seeds) == 3


def test_frozen_weights_pass_gradients_on_and_keep_their_state():
    network = nn.Linear(2, 1)
    network.bias.requires_grad = False
    x = torch.ones(1, 2, requires_grad=True)
    with frozen(network):
        y = network(x).sum()
    y.backward()
    assert x.grad is not None
    assert network.weight.grad is None
    assert network.weight.requires_grad
    assert not network.bias.requires_grad


def test_a_run_logs_saves_and_is_resumed_only_when_asked(tmp_path):
    samples = []
    options = files(tmp_path, log_every=2, save_every=3, write_samples=lambda: samples.append(1))
    run_training(Toy(Config()), options, resume=False)
    rows = [json.loads(line) for line in options.log.read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6, 8]
    assert all(row["steps_per_s"] > 0 for row in rows)
    assert len(samples) == 2
    with pytest.raises(InvalidRequestError, match="--resume"):
        run_training(Toy(Config()), options, resume=False)
    longer = Toy(Config(total=10))
    run_training(longer, options, resume=True)
    assert longer.position == 10
    with pytest.raises(InvalidRequestError, match="no state"):
        run_training(Toy(Config()), files(tmp_path / "elsewhere"), resume=True)


def test_means_are_over_the_records_that_hold_a_figure():
    assert mean_figures([{"a": 1.0, "b": 4.0}, {"a": 3.0}]) == {"a": 2.0, "b": 4.0}
