# SPDX-License-Identifier: Apache-2.0
"""On a CUDA device: a toy step of every trainer, a state that goes on there, a tiny evaluation."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from tests.texgen_server.training.codec.toys import noisy_pictures
from tests.texgen_server.training.toys import TRAINERS, write_toy_scans
from texgen_server.networks.codec import Codec, CodecParams
from texgen_server.training.codec.pixels import PictureSet
from texgen_server.training.codec.reconstruction import ReconstructionTrainer
from texgen_server.training.codec.settings import CodecConfig
from texgen_server.training.codec.transform import fit_transform
from texgen_server.training.devices import training_device
from texgen_server.training.material.samples import save_grid
from texgen_server.training.runner import EvalOptions
from texgen_server.training.upscaler import evaluate
from texgen_server.training.upscaler.scans import FullScans

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
CODEC = CodecParams(
    latents=6,
    encoder_width=16,
    encoder_blocks=1,
    widths=(16, 8, 8),
    blocks=(1, 1, 1),
    noise_channels=2,
)


@pytest.mark.parametrize("family", TRAINERS)
def test_a_trainer_steps_and_goes_on(family, tmp_path):
    device = training_device("cuda")
    trainer = TRAINERS[family](tmp_path / "first", device)
    records = [trainer.step() for _ in range(2)]
    trainer.save(tmp_path / "state.safetensors")
    other = TRAINERS[family](tmp_path / "second", device)
    other.load(tmp_path / "state.safetensors")
    records.append(other.step())
    assert all(math.isfinite(value) for record in records for value in record.values())
    assert all(p.is_cuda for network in other.networks.values() for p in network.parameters())


def test_sample_grids_are_drawn(tmp_path):
    trainer = TRAINERS["material"](tmp_path, training_device("cuda"))
    save_grid(trainer, tmp_path / "grid.png", 128, 128)
    assert (tmp_path / "grid.png").is_file()


def test_the_codec_trainer_steps():
    pictures = PictureSet(noisy_pictures(3), training_device("cuda"))
    transform = fit_transform(pictures, [0, 1, 2], CODEC.latents)
    codec = Codec(CODEC, transform.basis, transform.deviations)
    config = CodecConfig(batch=2, crop_px=48, margin_px=8, params=CODEC)
    trainer = ReconstructionTrainer(codec, pictures, [0, 1, 2], config)
    assert all(torch.isfinite(value) for value in trainer.step().values())


def test_an_upscaler_is_measured(models, tmp_path, monkeypatch):
    whole = write_toy_scans(tmp_path)
    np.save(tmp_path / "upscaler.npy", np.asarray(whole.maps)[:, :, :256, :256])
    known = whole.known.tolist()
    (tmp_path / "upscaler.json").write_text(json.dumps({"assets": ["blocks"], "known": known}))
    monkeypatch.setattr(evaluate, "real_esrgan", lambda: None)
    options = EvalOptions(tmp_path, tmp_path, tmp_path / "cache", "upscaler", models, device="cuda")
    figures = evaluate.evaluate_upscaler(options, [0], FullScans(tmp_path))
    assert math.isfinite(figures["texgen x4"]["basecolor"]["lite1_distance"])
