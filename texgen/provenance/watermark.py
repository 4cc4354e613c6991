# SPDX-License-Identifier: Apache-2.0
"""Embeds an invisible watermark in the basecolor: 48 bits in the signs of sums over waves that fit
the tile, so a marked texture still tiles exactly.

Each bit owns some dozens of wave vectors with pseudo-random phases; the picture is changed by the
least amount that gives their sum the bit's sign and a margin (improved spread spectrum, Malvar and
Florencio 2003). Waves are counted per picture, so the watermark survives resizing; they are long,
so it survives JPEG. 32 check bits prevent false detections. It does not survive a crop, a rotation
or a shift. It proves nothing, as anyone can write one with this module; a signature proves.
"""

from __future__ import annotations

import hashlib
import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError
from texgen.files.images import decode, encode
from texgen.maps import MapKind, Material, Pixels

PAYLOAD_BITS = 48
CHECK_BITS = 32
BITS = PAYLOAD_BITS + CHECK_BITS
MIN_WAVES, MAX_WAVES = 10.0, 48.0
"""Shortest and longest wave vector, in waves per picture."""
MIN_EDGE_PX = 256
MARGIN = 44.0
"""Least size of each sum after embedding, in levels times the root of the pixel count; JPEG at
quality 85 changes one by about 4.
"""
HOST_MARGIN = 0.5
"""Least size as a share of the picture's own sums, which resizing changes in proportion."""
MIN_PSNR_DB = 42.5
MARGIN_STEP = 0.85
"""Factor on the margin while the picture changes too much."""
ROUNDS = 4
KEYS = (0x7E86E4, 0x11A9E5, 0x5EA3F0, 0x63C0DE)
"""Seeds of wave phases; the one that changes a picture least is used."""
FLIPPED_BITS = 9
"""Number of the weakest bits that may be flipped until the check bits fit. With all keys that is
2^11 tries against 2^32 patterns: one false detection in two million pictures.
"""
MODEL_BITS = 16


@dataclass(frozen=True)
class Watermark:
    """The payload of a watermark."""

    model: str
    """First 4 hex digits of the model's digest."""
    recipe: str
    """First 8 hex digits of the SHA-256 of the recipe's text."""

    def __str__(self) -> str:
        return f"{self.model}-{self.recipe}"


def watermark_of(recipe: str, model_digest: str) -> Watermark:
    """Return the watermark of a result."""
    return Watermark(
        model_digest[: MODEL_BITS // 4],
        hashlib.sha256(recipe.encode()).hexdigest()[: (PAYLOAD_BITS - MODEL_BITS) // 4],
    )


def with_watermark(material: Material) -> Material:
    """Return the material with a watermark in its basecolor; data maps stay unchanged.

    Raises InvalidRequestError.
    """
    if MapKind.BASECOLOR not in material.maps:
        raise InvalidRequestError(
            "a watermark goes into the basecolor, and there is none", "watermark"
        )
    if material.window_px:
        raise InvalidRequestError(
            "a watermark goes into a whole tile, not into a window of it", "watermark"
        )
    packed = material.maps[MapKind.BASECOLOR]
    pixels = decode(packed)
    if pixels.dtype != np.uint8:
        raise InvalidRequestError(
            "a watermark goes into 8 bits: choose --format png, or a preset", "watermark"
        )
    mark = watermark_of(material.recipe, material.model_digest)
    marked = embed(pixels, mark)
    text = {"Software": "texgen", "texgen:recipe": material.recipe}
    data = encode(marked, packed.encoding, packed.color_space, text)
    maps = {**material.maps, MapKind.BASECOLOR: replace(packed, data=data)}
    return replace(material, maps=maps, watermark=str(mark))


def embed(pixels: Pixels, mark: Watermark) -> Pixels:
    """Embed a watermark in (H, W, 3) uint8 sRGB.

    Raises InvalidRequestError where the picture is too small.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_EDGE_PX:
        raise InvalidRequestError(
            f"a watermark needs {MIN_EDGE_PX} px on each side: {width} x {height} px are too few",
            "watermark",
        )
    signs = np.array([1.0 if bit else -1.0 for bit in _bits(mark)])
    return max(
        (_embedded(pixels, signs, key) for key in KEYS), key=lambda marked: _psnr_db(pixels, marked)
    )


def _embedded(pixels: Pixels, signs: NDArray[np.float64], key: int) -> Pixels:
    """Embed the signs with the widest margin that keeps the change within `MIN_PSNR_DB`."""
    margin = max(MARGIN, HOST_MARGIN * float(np.sqrt(np.mean(_sums(pixels, key) ** 2))))
    while True:
        marked = _with_margin(pixels, signs, key, margin)
        if _psnr_db(pixels, marked) >= MIN_PSNR_DB or margin < MARGIN / 2.0:
            return marked
        margin *= MARGIN_STEP


def _with_margin(pixels: Pixels, signs: NDArray[np.float64], key: int, margin: float) -> Pixels:
    marked = pixels
    for _ in range(ROUNDS):  # rounding and clipping undo a little of the change
        sums = _sums(marked, key)
        if np.all(sums * signs > 0.9 * margin):
            break
        missing = np.where(sums * signs < margin, signs * margin - sums, 0.0)
        change = _waves(missing, key, *pixels.shape[:2])
        marked = np.clip(np.rint(marked + change[..., None]), 0, 255).astype(np.uint8)
    return marked


def _psnr_db(first: Pixels, second: Pixels) -> float:
    error = float(np.mean((first.astype(np.float32) - second.astype(np.float32)) ** 2))
    return float("inf") if error == 0.0 else 10.0 * float(np.log10(255.0**2 / error))


def detect(pixels: Pixels) -> Watermark | None:
    """Return the watermark in (H, W, C) of 8 or 16 bits, or None."""
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_EDGE_PX // 2 or pixels.shape[2] < 3:
        return None
    levels = pixels[..., :3] / np.float32(257.0) if pixels.dtype == np.uint16 else pixels[..., :3]
    found = (_decode_sums(_sums(levels, key)) for key in KEYS)
    return next((mark for mark in found if mark is not None), None)


def _decode_sums(sums: NDArray[np.float64]) -> Watermark | None:
    """Return the watermark whose bits are the signs of the sums, except for some of the weakest."""
    bits = sums > 0.0
    weakest = np.argsort(np.abs(sums), kind="stable")[:FLIPPED_BITS]
    for flips in itertools.product((False, True), repeat=FLIPPED_BITS):
        candidate = bits.copy()
        candidate[weakest] ^= np.array(flips)
        if (mark := _decode_bits(candidate)) is not None:
            return mark
    return None


def _bits(mark: Watermark) -> list[bool]:
    payload = bytes.fromhex(mark.model + mark.recipe)
    return [
        bool(bit)
        for bit in np.unpackbits(
            np.frombuffer(payload + zlib.crc32(payload).to_bytes(4, "big"), np.uint8)
        )
    ]


def _decode_bits(bits: NDArray[np.bool_]) -> Watermark | None:
    data = np.packbits(bits).tobytes()
    payload = data[: PAYLOAD_BITS // 8]
    if not any(payload) or zlib.crc32(payload).to_bytes(4, "big") != data[PAYLOAD_BITS // 8 :]:
        return None
    text = payload.hex()
    return Watermark(text[: MODEL_BITS // 4], text[MODEL_BITS // 4 :])


@cache
def _wave_vectors(
    key: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.complex128], NDArray[np.int64]]:
    """Return wave vectors (ky, kx), their unit weights, and the bit to which each belongs; the same
    for every picture.
    """
    edge = int(MAX_WAVES)
    ky, kx = (
        a.ravel()
        for a in np.meshgrid(np.arange(-edge, edge + 1), np.arange(1, edge + 1), indexing="ij")
    )
    length = np.hypot(ky, kx)
    in_band = (length >= MIN_WAVES) & (length <= MAX_WAVES)
    ky, kx, length = ky[in_band], kx[in_band], length[in_band]
    # numbers from a hash: those of a library's generator may change between versions
    numbers = np.frombuffer(
        hashlib.shake_256(key.to_bytes(4, "big")).digest(8 * len(ky)), ">u4"
    ).reshape(2, -1)
    order = np.argsort(numbers[0], kind="stable")
    owner = np.empty(len(ky), np.int64)
    owner[order] = np.arange(len(ky)) % BITS
    # textures are strong in long waves, so the short ones get more weight
    weights = length * np.exp(2j * np.pi * numbers[1] / 2**32)
    power = np.zeros(BITS)
    np.add.at(power, owner, length**2)
    return ky, kx, weights / np.sqrt(power[owner]), owner


def _sums(pixels: NDArray[np.generic], key: int) -> NDArray[np.float64]:
    """Return the sum of each bit: the projection of the grey picture on a unit pattern."""
    height, width = pixels.shape[:2]
    ky, kx, weights, owner = _wave_vectors(key)
    spectrum = np.fft.rfft2(pixels.astype(np.float64).mean(2))
    usable = (kx <= width // 2) & (np.abs(ky) < height // 2)
    values = np.zeros(len(kx))
    chosen = spectrum[ky[usable] % height, kx[usable]]
    values[usable] = (chosen * np.conj(weights[usable])).real * np.sqrt(2.0 / (height * width))
    sums = np.zeros(BITS)
    np.add.at(sums, owner, values)
    return sums


def _waves(
    amounts: Sequence[float] | NDArray[np.float64], key: int, height: int, width: int
) -> NDArray[np.float64]:
    """Return the sum of the bits' unit patterns, each times its amount, as (H, W). It is periodic,
    as all its waves fit the picture.
    """
    ky, kx, weights, owner = _wave_vectors(key)
    spectrum = np.zeros((height, width // 2 + 1), np.complex128)
    spectrum[ky % height, kx] = np.asarray(amounts)[owner] * weights * np.sqrt(height * width / 2.0)
    result: NDArray[np.float64] = np.fft.irfft2(spectrum, (height, width))
    return result
