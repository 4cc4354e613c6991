# SPDX-License-Identifier: Apache-2.0
"""The watermark: invisible, on the torus, found after JPEG and resizing, not found where there is
none.
"""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from texgen.errors import InvalidRequestError
from texgen.files.images import decode, encode_png
from texgen.maps import ColorSpace, Encoding, MapKind, Material, PackedMap
from texgen.provenance import watermark
from texgen.provenance.watermark import (
    BITS,
    CHECK_BITS,
    FLIPPED_BITS,
    KEYS,
    PAYLOAD_BITS,
    Watermark,
    detect,
    embed,
    watermark_of,
    with_watermark,
)

MARK = watermark_of("tg1:some_recipe", "5f32ba19" * 8)


def texture(seed, edge=512, slope=1.0, contrast=35.0, base=(120, 100, 80)):
    """Noise on the torus with a spectrum like that of materials."""
    rng = np.random.default_rng(seed)
    ky, kx = np.meshgrid(np.fft.fftfreq(edge) * edge, np.fft.rfftfreq(edge) * edge, indexing="ij")
    falloff = np.maximum(np.hypot(ky, kx), 2.0) ** -slope
    plane = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((edge, edge))) * falloff)
    plane *= contrast / plane.std()
    return np.clip(plane[..., None] + np.array(base), 0, 255).astype(np.uint8)


TEXTURES = [
    *(texture(seed, slope=slope) for seed, slope in enumerate((0.5, 1.0, 1.5))),
    texture(4, contrast=4.0),
    texture(5, contrast=20.0, base=(245, 245, 240)),
    texture(6, contrast=20.0, base=(10, 12, 8)),
]


def jpeg(picture, quality=85):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue()))


ATTACKS = {
    "none": lambda p: p,
    "jpeg": jpeg,
    "half": lambda p: p.resize((p.width // 2, p.height // 2), Image.Resampling.LANCZOS),
    "jpeg, then half": lambda p: jpeg(p).resize(
        (p.width // 2, p.height // 2), Image.Resampling.BILINEAR
    ),
    "half, then jpeg": lambda p: jpeg(
        p.resize((p.width // 2, p.height // 2), Image.Resampling.BICUBIC)
    ),
    "two thirds": lambda p: jpeg(
        p.resize((p.width * 2 // 3, p.height * 2 // 3), Image.Resampling.LANCZOS)
    ),
    "double": lambda p: p.resize((p.width * 2, p.height * 2), Image.Resampling.BICUBIC),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_mark_outlives_what_happens_to_textures(attack):
    for number, pixels in enumerate(TEXTURES):
        picture = Image.fromarray(embed(pixels, MARK))
        assert detect(np.asarray(ATTACKS[attack](picture))) == MARK, number


def test_the_mark_is_invisible_and_deterministic():
    for pixels in TEXTURES:
        marked = embed(pixels, MARK)
        error = np.mean((marked.astype(float) - pixels) ** 2)
        assert 10 * np.log10(255**2 / error) >= 42.0
        assert np.array_equal(marked, embed(pixels, MARK))


def test_the_mark_fits_the_torus():
    """What is added is a sum of whole waves: laid side by side it has no seam, and no other
    frequencies.
    """
    change = watermark._waves(np.ones(BITS), KEYS[0], 256, 256)
    tiled = np.abs(np.fft.fft2(np.tile(change, (2, 2))))
    assert tiled[1::2].max() < 1e-6 * tiled.max()
    assert tiled[:, 1::2].max() < 1e-6 * tiled.max()


def test_pictures_without_a_mark_have_none():
    """The bound by counting: tries per picture over check patterns.

    And a few hundred pictures, none of them read wrongly.
    """
    assert PAYLOAD_BITS >= 48
    assert len(KEYS) * 2**FLIPPED_BITS / 2**CHECK_BITS < 1e-6
    assert all(detect(texture(seed, edge=128, slope=seed % 3)) is None for seed in range(100, 300))
    assert detect(np.zeros((256, 256, 3), np.uint8)) is None
    assert detect(np.zeros((16, 16, 3), np.uint8)) is None
    assert detect(np.zeros((256, 256, 1), np.uint8)) is None


def test_marks_of_other_recipes_and_models_differ():
    assert Watermark("5f32", MARK.recipe) == MARK
    assert len({watermark_of(f"tg1:{n}", "ab" * 32) for n in range(1000)}) == 1000
    other = watermark_of("tg1:another", "00ff" * 16)
    assert detect(embed(TEXTURES[0], other)) == other


def material(edge=256, dtype=np.uint8):
    colour = texture(1, edge).astype(dtype)
    grey = np.zeros((edge, edge, 1), np.uint8)
    data = {MapKind.BASECOLOR: (colour, ColorSpace.SRGB), MapKind.AO: (grey, ColorSpace.DATA)}
    maps = {
        kind: PackedMap(
            kind,
            edge,
            edge,
            p.shape[2],
            str(p.dtype),
            Encoding.PNG,
            space,
            encode_png(p, srgb=space is ColorSpace.SRGB),
        )
        for kind, (p, space) in data.items()
    }
    return Material(
        maps=maps,
        recipe="tg1:x",
        seed=1,
        model_digest="ab" * 32,
        engine="e",
        output_licence="CC0-1.0",
        height_range_m=0.0,
    )


def test_only_the_basecolor_is_marked():
    plain = material()
    marked = with_watermark(plain)
    assert marked.maps[MapKind.AO] is plain.maps[MapKind.AO]
    assert detect(decode(marked.maps[MapKind.BASECOLOR])) == watermark_of("tg1:x", "ab" * 32)
    assert marked.watermark == str(watermark_of("tg1:x", "ab" * 32))
    assert (
        Image.open(io.BytesIO(marked.maps[MapKind.BASECOLOR].data)).text["texgen:recipe"] == "tg1:x"
    )


def test_what_cannot_be_marked_is_refused():
    with pytest.raises(InvalidRequestError, match="256 px"):
        with_watermark(material(64))
    with pytest.raises(InvalidRequestError, match="window"):
        with_watermark(replace(material(), window_px=(0, 0, 256, 256)))
    with pytest.raises(InvalidRequestError, match="none"):
        with_watermark(replace(material(), maps={}))


def test_a_picture_of_16_bits_is_read_too():
    deep = embed(TEXTURES[1], MARK).astype(np.uint16) * 257
    assert detect(deep) == MARK
