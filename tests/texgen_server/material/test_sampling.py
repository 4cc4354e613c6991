# SPDX-License-Identifier: Apache-2.0
"""Plans of recipes."""

from __future__ import annotations

import pytest

from tests.texgen_server.material.plans import plan_of
from tests.texgen_server.material.recipes import recipe_of
from texgen.errors import InvalidRequestError
from texgen_server.material.sampling import tile_layout


def test_whole_tiles_fit_every_size(card):
    assert tile_layout(recipe_of(card, (1024, 512), tile_px=512)) == ((1, 2), 512)
    assert tile_layout(recipe_of(card, (256, 256), tile_px=512)) == ((1, 1), 256)
    tiles, density = tile_layout(recipe_of(card, (768, 512), tile_px=512))
    assert tiles == (1, 2)
    assert 384 < density < 512


def test_an_endless_field_of_a_painted_mix_is_refused(model, painted):
    with pytest.raises(InvalidRequestError, match="borders"):
        plan_of(painted[0], model, endless=True)
