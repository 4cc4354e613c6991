# SPDX-License-Identifier: Apache-2.0
"""Latents that index maps re-lay, and the pixels that belong to them."""

from __future__ import annotations

import torch

from tests.texgen_server.training.codec.toys import CONFIG, noisy_pictures, rolled_map
from texgen_server.networks.codec import CELL_PX
from texgen_server.training.codec.joins import JoinsTrainer
from texgen_server.training.codec.pixels import PictureSet
from texgen_server.training.codec.relaid import encode_pictures


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
