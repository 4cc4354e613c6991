# SPDX-License-Identifier: Apache-2.0
"""Captures: a photograph -> an order, and its material over a real connection."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.texgen_server.rpc.pictures import pixels
from texgen.errors import InvalidRequestError
from texgen.maps import MATERIAL_MAPS
from texgen.pb import texgen_pb2 as pb
from texgen.recipes.text import read_recipe
from texgen_server.capture.options import DEFAULT_STEPS
from texgen_server.engine.jobs import BATCH, CaptureJob
from texgen_server.rpc.requests import photo as photo_requests
from texgen_server.rpc.requests.order import Host


@pytest.fixture
def png():
    out = io.BytesIO()
    Image.fromarray(np.full((80, 64, 3), 128, np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def host(monkeypatch):
    monkeypatch.setattr(photo_requests, "can_capture", lambda: True)
    return Host(1024 * 1024, lambda: pytest.fail("a capture takes no upscaler"))


def test_a_capture_is_a_job_of_its_own_kind(card, host, png):
    options = pb.CaptureOptions(
        seed=5, class_name="bark", palette=[0x000000, 0xFF8000], priority=pb.PRIORITY_BATCH
    )
    options.size.width_px, options.size.height_px = 64, 32
    order = photo_requests.capture_order(options, png, card, host)
    job = order.job
    assert isinstance(job, CaptureJob)
    assert (job.seed, job.pixels, job.priority, job.helpers) == (5, 64 * 32, BATCH, ())
    assert job.photo.shape == (80, 64, 3)
    assert job.photo[0, 0, 0] == pytest.approx(128 / 255)
    assert (job.options.class_name, job.options.steps) == ("bark", DEFAULT_STEPS)
    assert job.options.palette[1] == pytest.approx((1.0, 128 / 255, 0.0))
    assert order.recipe_text == ""
    job.on_progress(0.5, "capturing")
    assert order.observer.latest == (0.5, "capturing")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"class_name": "chocolate"}, "unknown class"),
        ({"steps": 1000}, "allowed are 0 to 200"),
        ({"size": pb.Size(width_px=2048, height_px=1024)}, "more than this server makes"),
        ({"palette": [1]}, "2 to 16 colours"),
    ],
)
def test_what_is_wrong_is_told(card, host, png, fields, said):
    with pytest.raises(InvalidRequestError, match=said):
        photo_requests.capture_order(pb.CaptureOptions(**fields), png, card, host)


def photo(rng, size=96, mode="RGB"):
    base = rng.random((12, 12, 3)) * np.array([0.8, 0.5, 0.3])
    array = (np.kron(base, np.ones((size // 12, size // 12, 1))) * 255).astype(np.uint8)
    return Image.fromarray(array).convert(mode)


def file_of(picture, form="PNG", **options):
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


@pytest.mark.torch
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


@pytest.mark.torch
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


@pytest.mark.torch
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
        (lambda rng: b"not a picture", "none of PNG, JPEG"),
        (lambda rng: file_of(photo(rng))[:200], "truncated|readable"),
        (lambda rng: file_of(photo(rng, 12).resize((1, 1))), "at least 64 px"),
        (lambda rng: file_of(Image.new("L", (20000, 20000))), "at most|too large"),
        (lambda rng: file_of(photo(rng, mode="CMYK"), "JPEG"), "CMYK"),
        (animated, "animated"),
    ],
    ids=["text", "truncated", "1x1", "20000x20000", "cmyk", "animated"],
)
@pytest.mark.torch
def test_bad_photos_are_refused(client, rng, make, message):
    with pytest.raises(InvalidRequestError, match=message):
        client.capture(make(rng), size_px=(64, 64), steps=0)


@pytest.mark.torch
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_photo_is_captured_upright(client, rng, orientation):
    """A camera stores the picture as its sensor lay, and how to turn it."""
    upright = photo(rng)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = {1: 0, 3: 180, 6: 90, 8: 270}[orientation]
    stored = file_of(upright.rotate(turned, expand=True), exif=exif)
    options = {"seed": 3, "size_px": (64, 64), "steps": 0}
    expected = client.capture(file_of(upright), **options)
    assert client.capture(stored, **options).recipe == expected.recipe


@pytest.mark.torch
def test_a_16_bit_photo_is_captured_as_its_8_bits(client, rng):
    pytest.importorskip("OpenImageIO")
    from texgen.files.images import encode_png

    eight = np.asarray(photo(rng))
    deep = encode_png(eight.astype(np.uint16) * 257, srgb=True)
    options = {"seed": 3, "size_px": (64, 64), "steps": 0}
    expected = client.capture(file_of(Image.fromarray(eight)), **options)
    assert client.capture(deep, **options).recipe == expected.recipe


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
@pytest.mark.torch
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
@pytest.mark.torch
def test_bad_capture_options_are_refused(client, rng, options, message):
    with pytest.raises(InvalidRequestError, match=message):
        client.capture(file_of(photo(rng)), **({"size_px": (64, 64)} | options))
