# SPDX-License-Identifier: Apache-2.0
"""Variations, mixtures, windows and captures, over a real connection."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from texgen.errors import InvalidRequestError
from texgen.files.images import decode
from texgen.maps import MATERIAL_MAPS, MapKind
from texgen.pb import texgen_pb2 as pb
from texgen.recipes.text import read_recipe


@pytest.fixture(scope="module")
def parts(server):
    from texgen.client import Client

    with Client(server, "secret") as client:
        yield (
            client.generate("brick", seed=3, size_px=(128, 128)),
            client.generate("rock", seed=4, size_px=(128, 128)),
        )


def pixels(material, kind=MapKind.BASECOLOR):
    return decode(material.maps[kind]).astype(int)


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
        (lambda c, r: c.mix([(r, 1.0), (r, 1.0)], "paint", mask=b"no picture"), "readable PNG"),
        (
            lambda c, r: c.mix(
                [(r, 1.0), (r, 1.0)], "paint", mask=png(np.zeros((8, 8, 3), np.uint8))
            ),
            "L or 1",
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


# -- captures
# --------------------------------------------------------------------------------------------------


def photo(rng, size=96, mode="RGB"):
    base = rng.random((12, 12, 3)) * np.array([0.8, 0.5, 0.3])
    array = (np.kron(base, np.ones((size // 12, size // 12, 1))) * 255).astype(np.uint8)
    return Image.fromarray(array).convert(mode)


def file_of(picture, form="PNG", **options):
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def test_a_capture_has_all_maps_the_colours_and_an_editable_recipe(client, card, rng):
    picture = photo(rng)
    made = client.capture(file_of(picture), seed=5, size_px=(96, 96), steps=3)
    assert list(made.maps) == list(MATERIAL_MAPS)
    assert np.abs(pixels(made).mean((0, 1)) - np.asarray(picture).mean((0, 1))).max() < 16
    assert read_recipe(made.recipe, card).origin is not None
    again = client.generate(recipe=made.recipe)
    assert np.array_equal(pixels(again), pixels(made))
    brighter = client.vary(made.recipe, 0.5, seed=1)[0]
    assert not np.array_equal(pixels(brighter), pixels(made))
    looked = client.mix(
        [(client.generate("brick", seed=1, size_px=(96, 96)).recipe, 1.0), (made.recipe, 1.0)],
        "look",
    )[0]
    assert looked.recipe.startswith("tg1x:")


def test_a_look_of_a_capture_keeps_its_colours(client, parts, rng):
    """The correction that a capture's colours need goes wherever the capture goes."""
    picture = photo(rng)
    made = client.capture(file_of(picture), seed=5, size_px=(128, 128), steps=0)
    looked = client.mix([(parts[0].recipe, 1.0), (made.recipe, 1.0)], "look")[0]
    blended = client.mix(
        [(made.recipe, 1.0), (client.vary(made.recipe, 0.3, seed=2)[0].recipe, 1.0)]
    )[0]
    for result in (looked, blended):
        assert np.abs(pixels(result).mean((0, 1)) - np.asarray(picture).mean((0, 1))).max() < 30


def test_a_palette_colours_a_grey_photo(client, rng):
    grey = file_of(photo(rng, mode="L"))
    red = client.capture(grey, seed=5, size_px=(64, 64), steps=0, palette=[0x200000, 0xFF4040])
    mean = pixels(red).mean((0, 1))
    assert mean[0] > 1.5 * mean[1]


def animated(rng):
    frames = [photo(rng) for _ in range(2)]
    return file_of(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda rng: b"not a picture", "readable PNG or JPEG or WEBP"),
        (lambda rng: file_of(photo(rng))[:200], "truncated|readable"),
        (lambda rng: file_of(photo(rng, 12).resize((1, 1))), "at least 64 px"),
        (lambda rng: file_of(Image.new("L", (20000, 20000))), "at most|too large"),
        (lambda rng: file_of(photo(rng, mode="CMYK"), "JPEG"), "CMYK"),
        (lambda rng: file_of(Image.fromarray(np.zeros((96, 96), np.uint16))), "I;16"),
        (animated, "animated"),
    ],
    ids=["text", "truncated", "1x1", "20000x20000", "cmyk", "16 bits", "animated"],
)
def test_bad_photos_are_refused(client, rng, make, message):
    with pytest.raises(InvalidRequestError, match=message):
        client.capture(make(rng), size_px=(64, 64), steps=0)


def test_a_16_bit_colour_photo_is_refused(client):
    from texgen.files.images import encode_png

    with pytest.raises(InvalidRequestError, match="16 bits a channel"):
        client.capture(
            encode_png(np.zeros((96, 96, 3), np.uint16), srgb=True), size_px=(64, 64), steps=0
        )


def call_capture(server, messages):
    import grpc

    from texgen.pb import texgen_pb2_grpc as pb_grpc

    with grpc.insecure_channel(server) as channel:
        stub = pb_grpc.TextureServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            list(
                stub.CaptureMaterial(
                    iter(messages), metadata=(("authorization", "Bearer secret"),), timeout=30
                )
            )
    return caught.value


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "no options came"),
        ([pb.CaptureMaterialRequest(photo=b"x")], "first message"),
        (
            [
                pb.CaptureMaterialRequest(options=pb.CaptureOptions(photo_bytes=9)),
                pb.CaptureMaterialRequest(photo=b"x"),
            ],
            "only 1 of 9",
        ),
        (
            [
                pb.CaptureMaterialRequest(options=pb.CaptureOptions(photo_bytes=1)),
                pb.CaptureMaterialRequest(photo=b"xx"),
            ],
            "more bytes",
        ),
        (
            [pb.CaptureMaterialRequest(options=pb.CaptureOptions(photo_bytes=2**40))],
            "allowed are 1 to",
        ),
        ([pb.CaptureMaterialRequest(options=pb.CaptureOptions(photo_bytes=1))] * 2, "came twice"),
    ],
)
def test_a_broken_upload_is_refused(server, messages, words):
    error = call_capture(server, messages)
    assert error.code().name == "INVALID_ARGUMENT"
    assert words in error.details()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_name": "wool"}, "unknown class"),
        ({"steps": 500}, "0 to 200"),
        ({"palette": [0xFF]}, "2 to 16"),
        ({"size_px": (33, 64)}, "multiple of 32"),
    ],
)
def test_bad_capture_options_are_refused(client, rng, options, message):
    with pytest.raises(InvalidRequestError, match=message):
        client.capture(file_of(photo(rng)), **({"size_px": (64, 64)} | options))
