# SPDX-License-Identifier: Apache-2.0
"""Networks with their weights."""

from __future__ import annotations

import pytest

from tests.tiny import PARAMS, tiny_generator
from texgen.errors import LoadError
from texgen_server.networks.torch_parts import build_generator


def test_weights_from_before_guides_load_and_others_are_refused():
    weights = {k: v.numpy() for k, v in tiny_generator().state_dict().items()}
    old = build_generator(PARAMS, {k: v for k, v in weights.items() if ".guide." not in k})
    assert all(not block.guide.weight.any() for block in old.blocks)
    with pytest.raises(LoadError, match="stem"):
        build_generator(PARAMS, {k: v for k, v in weights.items() if "stem" not in k})
