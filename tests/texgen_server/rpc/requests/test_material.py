# SPDX-License-Identifier: Apache-2.0
"""Requests for materials: detail from the upscaler."""

from __future__ import annotations

import numpy as np
import pytest

from texgen.errors import InvalidRequestError
from texgen.files.images import decode
from texgen.maps import Encoding, MapKind
from texgen.seams import seam_percentile
from texgen_server.material.postprocess import normal_from_height


def test_the_picture_is_the_small_one_enlarged(client):
    options = {"seed": 3, "controls": {"tile_px": 128.0}, "encoding": Encoding.RAW}
    large = client.generate("bark", size_px=(256, 256), detail="sr", **options)
    small = client.generate("bark", size_px=(128, 128), **options)
    again = client.generate(recipe=large.recipe, encoding=Encoding.RAW)
    enlarged = client.upscale(
        {k: decode(m) for k, m in small.maps.items()}, 2, encoding=Encoding.RAW
    )
    assert decode(large.maps[MapKind.AO]).shape == (256, 256, 1)
    for kind, packed in large.maps.items():
        assert np.array_equal(decode(packed), decode(again.maps[kind])), kind
        if kind is not MapKind.NORMAL:
            assert np.array_equal(decode(packed), decode(enlarged.maps[kind])), kind
            assert seam_percentile(decode(packed)) > 0.001
    height = decode(large.maps[MapKind.HEIGHT])[..., 0]
    normal = normal_from_height(height, large.height_range_tiles * 256.0)
    assert (
        np.abs(
            decode(large.maps[MapKind.NORMAL]).transpose(2, 0, 1) - (normal * 0.5 + 0.5) * 255.0
        ).max()
        <= 0.51
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window_px": (0, 0, 64, 64)}, "cannot have detail"),
        ({"endless": True}, "cannot have detail"),
        ({"size_px": (96, 64)}, "multiple of 64"),
        ({"size_px": (16384, 16384)}, "more than this server makes"),
    ],
)
def test_what_does_not_go_with_it_is_told(client, arguments, message):
    with pytest.raises(InvalidRequestError, match=message):
        client.generate("bark", **({"size_px": (256, 256)} | arguments), detail="sr")


def test_an_unknown_detail_is_told(client):
    with pytest.raises(InvalidRequestError, match="allowed are sr"):
        client.generate("bark", detail="ultra")


def test_a_painted_mix_can_have_it(client):
    from io import BytesIO

    from PIL import Image

    recipes = [
        client.generate(name, seed=1, size_px=(64, 64), encoding=Encoding.RAW).recipe
        for name in ("bark", "rock")
    ]
    buffer = BytesIO()
    Image.fromarray(np.kron(np.eye(2, dtype=np.uint8), np.full((32, 32), 255, np.uint8))).save(
        buffer, "PNG"
    )
    (painted,) = client.mix(
        [(r, 1.0) for r in recipes], "paint", mask=buffer.getvalue(), encoding=Encoding.RAW
    )
    large = client.generate(
        recipe=painted.recipe,
        mask=buffer.getvalue(),
        size_px=(128, 128),
        detail="sr",
        encoding=Encoding.RAW,
    )
    assert decode(large.maps[MapKind.AO]).shape == (128, 128, 1)
