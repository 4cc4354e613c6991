# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np

from texgen.files.images import decode_png
from texgen.maps import Encoding
from texgen.render.preview import lit_tiled_png


def test_a_preview_repeats_the_tile_and_stays_small(client):
    material = client.generate("bark", seed=3, size_px=(64, 32), encoding=Encoding.RAW)
    picture = decode_png(lit_tiled_png(material, repeats=2))
    assert picture.shape == (64, 128, 3)
    assert np.array_equal(picture[:32], picture[32:])
    assert np.array_equal(picture[:, :64], picture[:, 64:])
    assert decode_png(lit_tiled_png(material, repeats=2, max_edge_px=32)).shape == (16, 32, 3)
