# SPDX-License-Identifier: Apache-2.0
"""Guides of training crops lie where the crops lie."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from tests.tiny import PARAMS, tiny_generator
from texgen_server.training.material.data import DENSITIES, Pack
from texgen_server.training.material.inputs import (
    Guide,
    generated_guide,
    guide_error,
    random_inputs,
    scanned_guide,
)
from texgen_server.training.material.layout_fit import MAX_WAVES

MATERIALS = 2


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Noise at 1024 px per tile, averaged for the other densities."""
    folder = tmp_path_factory.mktemp("pack")
    full = np.random.default_rng(0).random((MATERIALS, 7, 1024, 1024)).astype(np.float32)
    full[:, :3] = 0.5  # colours are averaged in linear light by the real pack
    for density in DENSITIES:
        factor = 1024 // density
        maps = full.reshape(MATERIALS, 7, density, factor, density, factor).mean((3, 5))
        np.save(folder / f"maps_{density}.npy", np.round(maps * 65535).astype(np.uint16))
    np.savez(
        folder / "layout.npz",
        waves=np.zeros((MATERIALS, MAX_WAVES, 2), np.int16),
        amplitudes=np.zeros((MATERIALS, MAX_WAVES, 5), np.complex64),
    )
    meta = {
        "assets": ["a", "b"],
        "classes": ["rock", "rock"],
        "relief": [0.02, 0.02],
        "native_px": [1024, 1024],
    }
    (folder / "pack.json").write_text(json.dumps(meta))
    return Pack(folder)


def crop(pack, density, seed=0):
    return pack.crop(torch.tensor([1, 0]), density, 256, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("density", [512, 1024])
def test_a_scans_guide_is_its_crop_averaged(pack, density):
    batch = crop(pack, density)
    guide = scanned_guide(pack, batch)
    assert guide.input.shape == (2, 8, 128, 128)
    assert guide.coarse.shape == (2, 7, 65536 // density, 65536 // density)
    assert (F.avg_pool2d(batch.maps, density // 256) - guide.coarse).abs().max() < 1e-4
    assert guide_error(batch.maps, guide).max() < 1e-4
    moved = torch.roll(batch.maps, (8, 8), (2, 3))
    assert guide_error(moved, guide).min() > 0.01


def test_the_input_holds_the_same_maps(pack):
    batch = crop(pack, 512)
    guide = scanned_guide(pack, batch)
    assert (guide.input[:, :7] / 4 + 0.5 - guide.coarse).abs().max() < 1e-5
    assert guide.input[:, 7].min() == 1


@torch.no_grad()
def test_the_generators_own_guide_is_its_coarse_pass(pack):
    generator = tiny_generator()
    batch = crop(pack, 512)
    code = torch.randn(2, PARAMS.code_dim, generator=torch.Generator().manual_seed(2))
    first, again, other = (
        generated_guide(generator, pack, batch, code, torch.Generator().manual_seed(s))
        for s in (1, 1, 2)
    )
    assert isinstance(first, Guide)
    assert not first.scanned
    assert torch.equal(first.coarse, again.coarse)
    assert (first.coarse - other.coarse).abs().max() > 0.01
    fields = random_inputs(
        pack, batch, PARAMS, torch.Generator().manual_seed(3), torch.device("cpu")
    )
    style = generator.mapping(code, torch.ones(2, 1))
    guided, plain = generator(style, *fields, first.input), generator(style, *fields)
    assert guide_error(guided, first).mean() < guide_error(plain, first).mean()
