# SPDX-License-Identifier: Apache-2.0
"""A bank built from a tiny pack, and the linear head."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.texgen_server.training.codec.toys import noisy_pictures
from tests.texgen_server.training.exemplars.test_prepare import prepared
from texgen.errors import InvalidRequestError
from texgen_server.bank import Bank
from texgen_server.networks.codec import Codec, CodecParams
from texgen_server.training.codec.bank import build_bank, encode
from texgen_server.training.codec.pixels import PictureSet, to_picture
from texgen_server.training.codec.previews import apply_linear_head, fit_linear_head
from texgen_server.training.codec.transform import fit_transform
from texgen_server.training.exemplars.families import read_layouts

PARAMS = CodecParams(
    latents=6,
    encoder_width=8,
    encoder_blocks=1,
    widths=(8, 8, 8),
    blocks=(1, 1, 1),
    noise_channels=2,
)


def codec_for(pictures: PictureSet) -> Codec:
    transform = fit_transform(pictures, list(range(len(pictures))), PARAMS.latents)
    torch.manual_seed(0)
    return Codec(PARAMS, transform.basis, transform.deviations).requires_grad_(requires_grad=False)


def test_a_bank_holds_what_the_encoder_gives_within_its_budget(tmp_path):
    pack = prepared(tmp_path)
    layouts = read_layouts(tmp_path / "data" / "families.csv")
    pictures = PictureSet([to_picture(pack.read("Toy001", "own"), "own")], torch.device("cpu"))
    codec = codec_for(pictures)
    figures = build_bank(codec, pack, layouts, tmp_path / "bank.safetensors", without=set())
    bank = Bank(tmp_path / "bank.safetensors")
    entry = bank.exemplars["Toy001"]
    assert figures["own_grids"] == 1
    assert entry.cells == (8, 9)
    expected = (
        codec.encoder(pictures.whole(0) * pictures.known[0].view(1, -1, 1, 1))
        .round()[0]
        .permute(1, 2, 0)
        .numpy()
    )
    assert np.array_equal(bank.latents("Toy001"), expected)
    assert entry.layout["family"] == "S"
    assert entry.drawn
    assert entry.constants == {"metallic": 0.0}
    assert bank.thumbnail("Toy001")[:4] == b"RIFF"
    large = (tmp_path / "bank.safetensors").stat().st_size
    small = build_bank(
        codec,
        pack,
        layouts,
        tmp_path / "small.safetensors",
        without=set(),
        budget=encode(codec, pack.read("Toy001", "own"), layouts["Toy001"]).size_bytes - 1,
    )
    assert small["own_grids"] == 0
    assert small["bytes"] < large
    with pytest.raises(InvalidRequestError, match="budget of 10"):
        build_bank(codec, pack, layouts, tmp_path / "none.safetensors", without=set(), budget=10)


def test_the_linear_head_is_the_shrunken_decode():
    pictures = PictureSet(noisy_pictures(2), torch.device("cpu"))
    codec = codec_for(pictures)
    heads = fit_linear_head(codec, pictures, [0, 1])
    latents = codec.encoder(pictures.whole(0) * pictures.known[0].view(1, -1, 1, 1)).round()
    decoded = codec.decoder(latents) * pictures.known[0].view(1, -1, 1, 1)
    for px, matrix in heads.items():
        shrunken = torch.nn.functional.avg_pool2d(decoded, 8 // px)
        made = apply_linear_head(matrix, latents)
        assert made.shape == shrunken.shape
        assert (
            made - shrunken
        ).abs().mean() < 0.02 * shrunken.abs().mean() + 1e-4  # an untrained codec is linear
