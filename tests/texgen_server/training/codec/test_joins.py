# SPDX-License-Identifier: Apache-2.0
"""The second phase moves the decoder alone."""

from __future__ import annotations

import pytest
import torch

from tests.texgen_server.training.codec.toys import CONFIG, rolled_map
from texgen_server.training.codec.joins import JoinsTrainer
from texgen_server.training.codec.relaid import encode_pictures
from texgen_server.training.codec.schedule import Clock


@pytest.mark.held
@pytest.mark.usefixtures("nothing_emulated")
def test_the_second_phase_moves_the_decoder_alone(codec, pictures):
    relaid = encode_pictures(codec, pictures, {"Toy0": rolled_map(8)})
    before = {k: v.clone() for k, v in codec.state_dict().items()}
    trainer = JoinsTrainer(codec, pictures, [0, 1, 2], relaid, CONFIG)
    trainer.clock = Clock(100.0, 60.0 * 50)  # half-way: the discriminator counts fully
    assert trainer.adversarial_weight == CONFIG.adversarial
    for _ in range(3):
        figures = trainer.step()
    assert all(torch.isfinite(v) for v in figures.values())
    changed = {k for k, v in codec.state_dict().items() if not torch.equal(v, before[k])}
    assert changed
    assert all(k.startswith("decoder.") for k in changed)
    assert any("noise" in k for k in changed)
