# SPDX-License-Identifier: Apache-2.0
"""Detail from the upscaler: the recipe names it, the picture is the small one enlarged, maps still
agree.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from texgen import find_card
from texgen.errors import InvalidRequestError
from texgen.files.images import decode
from texgen.maps import Encoding, MapKind
from texgen.recipes.build import make_recipe, mix_recipe, vary_recipe, with_size
from texgen.recipes.detail import check_upscaler, with_detail
from texgen.recipes.recipe import Detail
from texgen.recipes.text import SHORT_PREFIX, read_recipe, write_recipe
from texgen.seams import seam_percentile
from texgen_server.material.postprocess import normal_from_height


@pytest.fixture(scope="module")
def upscaler(models):
    return find_card("upscaler", models)


@pytest.fixture
def recipe(card):
    return make_recipe(card, [("bark", 1)], 5, (1024, 1024), controls={"relief_depth": 1.5})


@pytest.mark.parametrize(
    ("size", "scale"),
    [
        ((4096, 4096), 4),
        ((2048, 4096), 4),
        ((1024, 1024), 2),
        ((1088, 2048), 2),
        ((16384, 16384), 4),
    ],
)
def test_the_scale_follows_from_the_size_and_the_text_says_it(card, upscaler, recipe, size, scale):
    detailed = with_detail(recipe, card, upscaler, size)
    assert detailed.detail == Detail(scale, upscaler.digest[:16])
    assert (detailed.width_px, detailed.height_px) == size
    assert (detailed.before_upscaling().width_px * scale, detailed.before_upscaling().detail) == (
        size[0],
        None,
    )
    text = write_recipe(detailed, card)
    assert text.startswith(SHORT_PREFIX)
    assert read_recipe(text, card) == detailed
    assert read_recipe(text, card, (512, 512)).width_px == 512


def test_derived_recipes_keep_it_outside_only(card, upscaler, recipe):
    detailed = with_detail(recipe, card, upscaler, (4096, 4096))
    varied = vary_recipe(card, detailed, 9, 0.5)
    assert varied.detail == detailed.detail
    assert varied.origin.base == detailed.before_upscaling()
    assert read_recipe(write_recipe(varied, card), card) == varied
    mixed = mix_recipe(card, [(detailed, 1.0), (recipe, 1.0)], size_px=(1024, 1024))
    assert mixed.detail is None
    assert mixed.origin.parts[0][0] == detailed.before_upscaling()
    assert read_recipe(write_recipe(mixed, card), card) == mixed


@pytest.mark.parametrize("size", [(96, 96), (1024, 1056), (32768, 32768)])
def test_sizes_that_no_scale_fits_are_refused(card, upscaler, recipe, size):
    with pytest.raises(InvalidRequestError):
        with_detail(recipe, card, upscaler, size)


def test_a_detailed_recipe_takes_only_sizes_of_its_scale(card, upscaler, recipe):
    with pytest.raises(InvalidRequestError, match="multiple of 128"):
        with_size(with_detail(recipe, card, upscaler, (4096, 4096)), card, (2080, 2048))


def test_another_upscaler_is_not_taken_for_the_recipes(upscaler):
    check_upscaler(Detail(2, upscaler.digest[:16]), upscaler)
    with pytest.raises(InvalidRequestError, match="use that model's version"):
        check_upscaler(Detail(2, "0" * 16), upscaler)


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


def test_the_drawn_recipe_of_a_plain_one_is_itself(recipe):
    assert recipe.before_upscaling() == recipe == replace(recipe)
