# SPDX-License-Identifier: Apache-2.0
"""The pack of training materials."""

from __future__ import annotations

import pytest
import torch

from tests.texgen_server.training.toys import toy_pack
from texgen_server.training.material.data import Pack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return toy_pack(tmp_path_factory.mktemp("toys"))


def test_the_pack_keeps_what_the_set_says(pack):
    assert isinstance(pack, Pack)
    assert pack.maps[256].shape == (4, 7, 256, 256)
    assert pack.maps[128][0, 5].max() == 0
    assert pack.maps[128][1, 5].min() == 65535
    batch = pack.crop(torch.tensor([1, 2]), 256, 128, torch.Generator().manual_seed(0))
    assert batch.maps.shape == (2, 7, 128, 128)
    assert batch.extent_tiles == 0.5
