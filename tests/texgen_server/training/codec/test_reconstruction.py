# SPDX-License-Identifier: Apache-2.0
"""The first phase learns, and the same seed gives the same steps."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.training.codec.toys import CONFIG, PARAMS
from texgen_server.networks.codec import Codec
from texgen_server.training.codec.reconstruction import ReconstructionTrainer


@pytest.mark.held
@pytest.mark.usefixtures("nothing_emulated")
def test_reconstruction_gets_ahead_of_the_transform(codec, pictures):
    trainer = ReconstructionTrainer(codec, pictures, [0, 1, 2], CONFIG)
    trainer.position = 200  # past the warm-up
    losses = [float(trainer.step()["reconstruction"]) for _ in range(60)]
    assert np.mean(losses[-15:]) < 0.95 * np.mean(losses[:5])


def test_the_same_seed_gives_the_same_steps(codec, pictures):
    runs = []
    for _ in range(2):
        again = Codec(PARAMS, codec.encoder.basis.detach(), codec.encoder.deviations.flatten())
        again.load_state_dict(codec.state_dict())
        trainer = ReconstructionTrainer(again, pictures, [0, 1], CONFIG)
        runs.append([float(trainer.step()["loss"]) for _ in range(3)])
    assert runs[0] == runs[1]
