# SPDX-License-Identifier: Apache-2.0
"""Variations, mixtures, windows and captures, over a real connection."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.texgen_server.rpc.pictures import pixels
from texgen.errors import InvalidRequestError
from texgen.maps import MapKind
from texgen.recipes.text import read_recipe


def png(array):
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def test_variations_differ_more_with_the_amount(client, parts):
    base = parts[0]
    same, near, far = (client.vary(base.recipe, amount, seed=9)[0] for amount in (0.0, 0.2, 1.0))
    distance = [np.abs(pixels(m) - pixels(base)).mean() for m in (same, near, far)]
    assert distance[0] <= 0.01
    assert distance[0] < distance[1] < distance[2]


def test_many_variations_are_those_made_alone(client, parts):
    """Same recipe, same bytes, alone or among others."""
    together = client.vary(parts[0].recipe, 0.5, seed=20, count=3, locks=["layout"])
    assert [m.seed for m in together] == [20, 21, 22]
    for m in together:
        alone = client.generate(recipe=m.recipe)
        assert {k: p.data for k, p in alone.maps.items()} == {k: p.data for k, p in m.maps.items()}


def test_a_blend_lies_between_its_parts(client, parts):
    recipes = [p.recipe for p in parts]
    means = [
        pixels(client.mix([(recipes[0], w), (recipes[1], 1 - w)])[0]).mean((0, 1))
        for w in (0.999, 0.5, 0.001)
    ]
    assert np.all(np.abs(means[1] - (means[0] + means[2]) / 2) < 25)


def test_a_painted_mix_follows_its_mask_and_its_recipe_needs_it(client, parts):
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 32:] = 255
    mixed = client.mix(
        [(p.recipe, 1.0) for p in parts], "paint", mask=png(mask), size_px=(1024, 128)
    )[0]
    again = client.generate(recipe=mixed.recipe, mask=png(mask))
    assert np.array_equal(pixels(again), pixels(mixed))
    with pytest.raises(InvalidRequestError, match="send its mask"):
        client.generate(recipe=mixed.recipe)
    with pytest.raises(InvalidRequestError, match="SHA-256"):
        client.generate(recipe=mixed.recipe, mask=png(255 - mask))


def test_a_transition_is_a_chain_of_tiles(client, parts):
    steps = client.mix([(p.recipe, 1.0) for p in parts], "transition", steps=6)
    assert [m.window_px for m in steps] == [(i * 128, 0, 128, 128) for i in range(6)]
    strip = client.generate(recipe=steps[0].recipe)
    assert np.abs(pixels(strip) - np.concatenate([pixels(m) for m in steps], 1)).max() <= 1
    for kind in (MapKind.BASECOLOR, MapKind.ROUGHNESS):
        last = pixels(
            client.generate(recipe=steps[0].recipe, window_px=(5 * 128, 0, 129, 128)), kind
        )
        assert np.abs(last[:, 128] - pixels(parts[1], kind)[:, 0]).max() <= 1


def test_a_window_and_an_endless_field(client, parts):
    recipe = parts[0].recipe
    window = client.generate(recipe=recipe, window_px=(100, -20, 60, 40))
    rows, columns = (-20 + np.arange(40)) % 128, (100 + np.arange(60)) % 128
    assert np.abs(pixels(window) - pixels(parts[0])[rows[:, None], columns[None]]).max() <= 1
    endless = client.generate(recipe=recipe, window_px=(100, -20, 60, 40), endless=True)
    assert endless.endless
    assert np.abs(pixels(endless) - pixels(window)).mean() > 1


def test_the_recipe_of_a_result_is_what_was_asked(client, card, parts):
    varied = client.vary(parts[0].recipe, 0.25, seed=9, locks=["colour"])[0]
    recipe = read_recipe(varied.recipe, card)
    assert (recipe.origin.amount, [str(lock) for lock in recipe.origin.locks]) == (0.25, ["colour"])
    assert read_recipe(parts[0].recipe, card) == recipe.origin.base


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c, r: c.vary("", 0.5), "no recipe given"),
        (lambda c, r: c.vary(r, 0.5, count=1000), "1 to 64"),
        (lambda c, r: c.vary(r, 7.0), "amount"),
        (lambda c, r: c.vary(r, 0.5, locks=["smell"]), "layout, colour, relief"),
        (lambda c, r: c.vary("tg1:AAAA", 0.5), "damaged"),
        (lambda c, r: c.mix([(r, 1.0)]), "2 to 8"),
        (lambda c, r: c.mix([(r, 1.0), (r, float("nan"))]), "above 0"),
        (lambda c, r: c.mix([(r, 1.0), (r, 1.0)], "paint"), "mask"),
        (lambda c, r: c.mix([(r, 1.0), (r, 1.0)], "paint", mask=b"no picture"), "none of PNG"),
        (
            lambda c, r: c.mix(
                [(r, 1.0), (r, 1.0)], "paint", mask=png(np.full((8, 8, 3), (9, 0, 0), np.uint8))
            ),
            "coloured",
        ),
        (
            lambda c, r: c.mix(
                [(r, 1.0), (r, 1.0)],
                "paint",
                mask=png(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))[:999],
            ),
            "truncated|readable",
        ),
        (lambda c, r: c.mix([(r, 1.0), (r, 1.0)], "transition", steps=0), "1 to 16"),
        (lambda c, r: c.mix([(r, 1.0), (r, 1.0)], "transition", steps=3), "at least 704 px wide"),
        (lambda c, r: c.mix([(r, 1.0), (r, 1.0)], controls={"moss": 9.0}), "moss=9"),
        (lambda c, r: c.generate(recipe=r, window_px=(0, 0, 0, 5)), "window of 0"),
        (lambda c, r: c.generate(recipe=r, window_px=(2**50, 0, 5, 5)), "from the origin"),
        (
            lambda c, r: c.generate(recipe=r, window_px=(0, 0, 2**20, 2**20)),
            "more than this server",
        ),
        (lambda c, r: c.generate(recipe=r, mask=b"x"), "painted mix only"),
    ],
)
def test_bad_derivations_are_refused(client, parts, call, message):
    with pytest.raises(InvalidRequestError, match=message):
        call(client, parts[0].recipe)


def test_a_mix_of_another_models_recipe_is_refused(client, parts, tmp_path):
    from tests.tiny import write_tiny_model
    from texgen.modelcard import read_card
    from texgen.recipes.build import make_recipe
    from texgen.recipes.text import write_recipe

    write_tiny_model(tmp_path / "material", seed=2)
    other = read_card(tmp_path / "material")
    foreign = write_recipe(make_recipe(other, [("bark", 1.0)], 1, (64, 64)), other)
    with pytest.raises(InvalidRequestError, match="made by model"):
        client.mix([(parts[0].recipe, 1.0), (foreign, 1.0)])
