# SPDX-License-Identifier: Apache-2.0
"""A toy training of the estimator: it learns what depends on what, goes on where it stood, and
exports.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from texgen.modelcard import read_card
from texgen_server.networks.params import EstimatorParams
from texgen_server.networks.torch_parts import build_estimator
from texgen_server.registry import load_model
from texgen_server.training.estimator.data import MAPS, TileSource, estimator_input, random_presence
from texgen_server.training.estimator.export import write_estimator
from texgen_server.training.estimator.settings import EstimatorConfig
from texgen_server.training.estimator.trainer import EstimatorTrainer
from texgen_server.training.material.data import DENSITIES, Pack

PARAMS = EstimatorParams(2, (8, 8, 12, 12))


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Four materials: two dark rough ones, two bright smooth ones, of waves."""
    folder = tmp_path_factory.mktemp("pack")
    for density in DENSITIES:
        t = np.arange(density) / density * 2 * np.pi
        stack = np.zeros((4, 7, density, density), np.uint16)
        for i in range(4 if density <= 256 else 0):
            wave = 0.5 + 0.25 * np.sin((2 + i) * t)[:, None] + 0.2 * np.cos(3 * t)[None]
            bright = i % 2
            maps = [0.3 + 0.4 * bright + 0.2 * (wave - 0.5)] * 3 + [
                wave,
                0.9 - 0.7 * bright + 0 * wave,
                0 * wave,
                wave,
            ]
            stack[i] = np.round(np.stack(maps) * 65535)
        np.save(folder / f"maps_{density}.npy", stack)
    np.savez(
        folder / "layout.npz",
        waves=np.zeros((4, 1, 2)),
        amplitudes=np.zeros((4, 1, 5), np.complex64),
    )
    meta = {
        "assets": list("abcd"),
        "classes": ["dark", "bright"] * 2,
        "relief": [0.04] * 4,
        "native_px": [512] * 4,
    }
    (folder / "pack.json").write_text(json.dumps(meta))
    return Pack(folder)


def test_tiles_turn_with_their_slopes(pack):
    """Slopes of a tile that was flipped and turned are those of its height."""
    source = TileSource(pack, ["bright", "dark"])
    for seed in range(12):
        maps = source.random(torch.tensor([1]), 128, torch.Generator().manual_seed(seed)).maps[0]
        height = maps[7]
        right, down = ((torch.roll(height, -1, a) - torch.roll(height, 1, a)) * 0.5 for a in (1, 0))
        for made, want in ((maps[3], right), (maps[4], down)):
            assert torch.corrcoef(torch.stack([made.flatten(), want.flatten()]))[0, 1] > 0.999


def test_something_is_always_there_and_something_missing():
    there = random_presence(2000, torch.Generator().manual_seed(0))
    assert set(there.sum(1).int().tolist()) <= set(range(1, len(MAPS)))
    seen = estimator_input(torch.ones(2000, 9, 1, 1), there)
    assert torch.equal(seen[:, 9:, 0, 0], there)
    assert torch.equal(seen[:, 0, 0, 0], there[:, 0])
    assert torch.equal(seen[:, 8, 0, 0], there[:, 5])


@pytest.mark.slow
@pytest.mark.held
@pytest.mark.usefixtures("nothing_emulated")
def test_it_learns_goes_on_and_exports(pack, tmp_path):
    source = TileSource(pack, ["bright", "dark"])
    config = EstimatorConfig(steps=200, batch=2, lr=2e-2)
    trainer = EstimatorTrainer(source, [0, 1, 2, 3], PARAMS, config, torch.device("cpu"))
    records = list(trainer.run())
    for name in ("roughness",):
        first, last = (
            np.mean([r[name] for r in part if name in r]) for part in (records[:20], records[-20:])
        )
        assert last < 0.7 * first, name
    trainer.save(tmp_path / "state.safetensors")
    other = EstimatorTrainer(source, [0, 1, 2, 3], PARAMS, config, torch.device("cpu"))
    other.load(tmp_path / "state.safetensors")
    assert other.position == 200
    assert all(
        torch.equal(a, b)
        for a, b in zip(trainer.ema.parameters(), other.ema.parameters(), strict=True)
    )
    weights = {f"ema/{k}": v.numpy() for k, v in other.ema.state_dict().items()}
    write_estimator(
        weights,
        PARAMS,
        {"bright": ["b", "d"], "dark": ["a", "c"]},
        tmp_path / "estimator",
        "0.0.1",
        {"training_images": 400},
    )
    model = load_model(read_card(tmp_path / "estimator"))
    assert build_estimator(model.params, model.weights).params == PARAMS
