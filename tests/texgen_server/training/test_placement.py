# SPDX-License-Identifier: Apache-2.0
"""All tensors of a training step are on the trainer's device: a device that is only pretended fails
where CUDA would.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

import pytest
import torch

from tests.texgen_server.training.pretend_device import PRETENDED, pretended_device
from tests.texgen_server.training.toys import TRAINERS, material_trainer
from texgen_server.precision import autocast
from texgen_server.training.material.samples import save_grid

pytestmark = [pytest.mark.slow, pytest.mark.torch]
# second derivatives of torch's GroupNorm change shapes in place, which the pretended device cannot
# follow: no gradient penalty
BUILDERS = TRAINERS | {"material": partial(material_trainer, game="hinge")}


def test_a_tensor_that_was_not_moved_fails(monkeypatch):
    with pretended_device(monkeypatch) as device:
        layer = torch.nn.Conv2d(3, 4, 3).to(device)
        assert layer(torch.zeros(1, 3, 8, 8).to(device)).device == device
        with pytest.raises(AssertionError, match="on the CPU"):
            layer(torch.zeros(1, 3, 8, 8))
        with pytest.raises(AssertionError, match="generator"):
            torch.randn(3, generator=torch.Generator(), device=device)


@pytest.mark.parametrize("family", BUILDERS)
def test_steps_of_every_trainer_stay_on_its_device(family, tmp_path, monkeypatch):
    with pretended_device(monkeypatch) as device:
        trainer = BUILDERS[family](tmp_path, device)
        records = [trainer.step() for _ in range(3)]
        assert all(isinstance(v, int | float) for r in records for v in r.values())
        for network in trainer.networks.values():
            assert all(p.device == PRETENDED for p in network.parameters())


@pytest.mark.parametrize("family", BUILDERS)
def test_steps_give_the_same_losses_on_another_device(family, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.setattr(autocast, "in_precision", lambda *_: nullcontext())
    here = [BUILDERS[family](tmp_path / "here", torch.device("cpu")).step()]
    with pretended_device(monkeypatch) as device:
        there = [BUILDERS[family](tmp_path / "there", device).step()]
    for a, b in zip(here, there, strict=True):
        assert a == pytest.approx(b, rel=1e-4)


def test_sample_grids_are_drawn_from_any_device(tmp_path, monkeypatch):
    with pretended_device(monkeypatch) as device:
        trainer = BUILDERS["material"](tmp_path, device)
        save_grid(trainer, tmp_path / "grid.png", 128, 128)
    assert (tmp_path / "grid.png").is_file()
