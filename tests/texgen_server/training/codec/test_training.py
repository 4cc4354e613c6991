# SPDX-License-Identifier: Apache-2.0
"""Both phases of codec training, on toys."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.texgen_server.training.codec.toys import noisy_pictures
from texgen.errors import InvalidRequestError
from texgen_server.networks.codec import CELL_PX, Codec, CodecParams
from texgen_server.training.codec.critic import Critic, critic_loss, decoder_loss, squared_gradient
from texgen_server.training.codec.joins import JoinsTrainer
from texgen_server.training.codec.pixels import PictureSet
from texgen_server.training.codec.reconstruction import ReconstructionTrainer
from texgen_server.training.codec.relaid import encode_pictures
from texgen_server.training.codec.run import CodecTrainOptions, train_codec
from texgen_server.training.codec.schedule import Clock, cosine
from texgen_server.training.codec.settings import CodecConfig
from texgen_server.training.codec.transform import fit_transform

PARAMS = CodecParams(
    latents=6,
    encoder_width=16,
    encoder_blocks=1,
    widths=(16, 8, 8),
    blocks=(1, 1, 1),
    noise_channels=2,
)
CONFIG = CodecConfig(
    codec_minutes=100.0,
    joins_minutes=100.0,
    batch=4,
    crop_px=48,
    margin_px=8,
    lr=1e-2,
    critic_width=8,
    bits=12.0,
    params=PARAMS,
)


@pytest.fixture(scope="module")
def pictures():
    return PictureSet(noisy_pictures(3), torch.device("cpu"))


@pytest.fixture
def codec(pictures):
    transform = fit_transform(pictures, [0, 1, 2], PARAMS.latents)
    torch.manual_seed(0)
    return Codec(PARAMS, transform.basis, transform.deviations)


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


def rolled_map(size: int) -> np.ndarray:
    """Two halves from elsewhere: joins in the middle and at the edge."""
    identity = np.stack(np.mgrid[0:size, 0:size], -1)
    identity[:, size // 2 :] = np.roll(identity, 3, 0)[:, size // 2 :]
    return identity


def test_targets_are_the_pixels_that_the_latents_come_from(codec, pictures):
    relaid = encode_pictures(codec, pictures, {"Toy1": rolled_map(8)})
    trainer = JoinsTrainer(codec, pictures, [1], relaid, CONFIG)
    batch = trainer.batch()
    encoded = codec.encoder(batch.target * batch.known, "zeros").round()
    inside = slice(2, -2)
    coherent = batch.coherent[..., ::CELL_PX, ::CELL_PX][..., inside, inside].bool()
    both = (encoded == batch.latents)[..., inside, inside]
    assert both[coherent.expand_as(both)].float().mean() > 0.95
    assert 0.0 < float(batch.coherent[1:3].mean()) < 1.0
    assert float(batch.coherent[0].mean()) == 1.0  # every third one is not re-laid


def test_an_index_map_serves_twice_the_cells_too(codec):
    large = PictureSet(noisy_pictures(1, 128), torch.device("cpu"))
    relaid = encode_pictures(codec, large, {"Toy0": rolled_map(8)})
    doubled = relaid.maps.view(16, 16, 2)
    assert torch.equal(doubled[::2, ::2], 2 * torch.from_numpy(rolled_map(8)))
    assert torch.equal(doubled[1::2, 1::2], 2 * torch.from_numpy(rolled_map(8)) + 1)


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


def test_the_critic_learns_to_tell_grain_from_blur():
    torch.manual_seed(0)
    critic = Critic(8, 4)
    optimizer = torch.optim.Adam(critic.parameters(), 2e-3)
    condition = torch.zeros(4, 4)
    for _ in range(60):
        real = torch.randn(4, 9, 16, 16)
        fake = torch.nn.functional.avg_pool2d(real, 3, 1, 1)
        loss = critic_loss(critic(real, condition), critic(fake, condition))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.7  # 1.39 where it cannot tell
    scores = critic(real, condition).detach(), critic(fake, condition).detach()
    assert float(decoder_loss(*scores)) > float(decoder_loss(scores[1], scores[0]))
    maps = real.requires_grad_()
    assert float(squared_gradient(critic(maps, condition), maps).detach()) > 0.0


def test_the_schedule_follows_the_clock():
    assert Clock(1.0, 90.0).share == 1.0
    assert Clock(0.0).share == 1.0
    assert cosine(0.0, 1000) == pytest.approx(1.0)
    assert cosine(1.0, 1000) < 0.01
    assert cosine(0.0, 0) < 0.01


def test_a_run_without_pictures_is_refused(tmp_path):
    with pytest.raises(InvalidRequestError, match="--pack"):
        train_codec(CodecTrainOptions(work=tmp_path), CONFIG)
