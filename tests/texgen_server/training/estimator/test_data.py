# SPDX-License-Identifier: Apache-2.0
"""Tiles that the estimator is trained on."""

from __future__ import annotations

import pytest
import torch

from tests.texgen_server.training.estimator.toys import write_waves
from texgen_server.training.estimator.data import (
    MAPS,
    TileSource,
    estimator_input,
    random_presence,
)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return write_waves(tmp_path_factory.mktemp("pack"))


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
