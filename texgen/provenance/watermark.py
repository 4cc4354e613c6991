# SPDX-License-Identifier: Apache-2.0
"""An invisible mark in the basecolor: 48 bits in the signs of sums over waves that fit the tile, so
a marked texture still tiles exactly.

Each bit owns some dozens of wave vectors with pseudo-random phases; the picture is changed by the
least that gives their sum the bit's sign and a margin (improved spread spectrum, Malvar and
Florencio 2003). Waves are counted per picture, so the mark outlives resizing; they are long, so it
outlives JPEG. 32 check bits keep what was never marked from being read as a mark. It does not
outlive a crop, a turn or a shift, and it proves nothing: whoever reads this file can write one. A
signature proves.
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
LONGEST, SHORTEST = 10.0, 48.0
"""Waves per picture."""
MIN_EDGE_PX = 256
MARGIN = 44.0
"""Least size of each sum after embedding, in levels times the root of the pixel count:

JPEG at quality 85 moves one by about 4.
"""
HOST_MARGIN = 0.5
"""The same as a share of the picture's own sums: resizing moves them in proportion."""
LEAST_PSNR_DB = 42.5
WEAKER = 0.85
ROUNDS = 4
KEYS = (0x7E86E4, 0x11A9E5, 0x5EA3F0, 0x63C0DE)
"""The one that changes a picture least is taken."""
DOUBTFUL = 9
"""Bits that may be turned over, the weakest first, until the check bits fit. With all keys 2^11
tries against 2^32: of pictures without a mark, one in two million is said to have one.
"""
MODEL_BITS = 16


@dataclass(frozen=True)
class Mark:
    """What a mark says."""

    model: str
    """First 4 hex digits of the model's digest."""
    recipe: str
    """First 8 hex digits of the SHA-256 of the recipe's text."""

    def __str__(self) -> str:
        return f"{self.model}-{self.recipe}"


def mark_of(recipe: str, model_digest: str) -> Mark:
    """The mark of a result."""
    return Mark(
        model_digest[: MODEL_BITS // 4],
        hashlib.sha256(recipe.encode()).hexdigest()[: (PAYLOAD_BITS - MODEL_BITS) // 4],
    )


def watermarked(material: Material) -> Material:
    """The same material with its mark in the basecolor; data maps are never touched.

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
    mark = mark_of(material.recipe, material.model_digest)
    marked = embed(pixels, mark)
    text = {"Software": "texgen", "texgen:recipe": material.recipe}
    data = encode(marked, packed.encoding, packed.color_space, text)
    maps = {**material.maps, MapKind.BASECOLOR: replace(packed, data=data)}
    return replace(material, maps=maps, watermark=str(mark))


def embed(pixels: Pixels, mark: Mark) -> Pixels:
    """(H, W, 3) uint8 sRGB -> the same with the mark.

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
    """With the widest margin that the picture bears."""
    margin = max(MARGIN, HOST_MARGIN * float(np.sqrt(np.mean(_sums(pixels, key) ** 2))))
    while True:
        marked = _with_margin(pixels, signs, key, margin)
        if _psnr_db(pixels, marked) >= LEAST_PSNR_DB or margin < MARGIN / 2.0:
            return marked
        margin *= WEAKER


def _with_margin(pixels: Pixels, signs: NDArray[np.float64], key: int, margin: float) -> Pixels:
    marked = pixels
    for _ in range(ROUNDS):  # rounding and clipping take a little of it back
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


def detect(pixels: Pixels) -> Mark | None:
    """(H, W, C) of 8 or 16 bits -> the mark in it, if there is one."""
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_EDGE_PX // 2 or pixels.shape[2] < 3:
        return None
    levels = pixels[..., :3] / np.float32(257.0) if pixels.dtype == np.uint16 else pixels[..., :3]
    found = (_nearest(_sums(levels, key)) for key in KEYS)
    return next((mark for mark in found if mark is not None), None)


def _nearest(sums: NDArray[np.float64]) -> Mark | None:
    """The mark whose bits the sums' signs are, but for some of the weakest."""
    bits = sums > 0.0
    weakest = np.argsort(np.abs(sums), kind="stable")[:DOUBTFUL]
    for turned in itertools.product((False, True), repeat=DOUBTFUL):
        candidate = bits.copy()
        candidate[weakest] ^= np.array(turned)
        if (mark := _read(candidate)) is not None:
            return mark
    return None


def _bits(mark: Mark) -> list[bool]:
    payload = bytes.fromhex(mark.model + mark.recipe)
    return [
        bool(bit)
        for bit in np.unpackbits(
            np.frombuffer(payload + zlib.crc32(payload).to_bytes(4, "big"), np.uint8)
        )
    ]


def _read(bits: NDArray[np.bool_]) -> Mark | None:
    data = np.packbits(bits).tobytes()
    payload = data[: PAYLOAD_BITS // 8]
    if not any(payload) or zlib.crc32(payload).to_bytes(4, "big") != data[PAYLOAD_BITS // 8 :]:
        return None
    text = payload.hex()
    return Mark(text[: MODEL_BITS // 4], text[MODEL_BITS // 4 :])


@cache
def _plan(
    key: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.complex128], NDArray[np.int64]]:
    """Wave vectors (ky, kx), their unit weights, and the bit that each belongs to.

    The same for every picture.
    """
    edge = int(SHORTEST)
    ky, kx = (
        a.ravel()
        for a in np.meshgrid(np.arange(-edge, edge + 1), np.arange(1, edge + 1), indexing="ij")
    )
    length = np.hypot(ky, kx)
    kept = (length >= LONGEST) & (length <= SHORTEST)
    ky, kx, length = ky[kept], kx[kept], length[kept]
    # numbers of a hash, not of a library's generator, which may change between versions
    words = np.frombuffer(
        hashlib.shake_256(key.to_bytes(4, "big")).digest(8 * len(ky)), ">u4"
    ).reshape(2, -1)
    order = np.argsort(words[0], kind="stable")
    owner = np.empty(len(ky), np.int64)
    owner[order] = np.arange(len(ky)) % BITS
    weights = length * np.exp(
        2j * np.pi * words[1] / 2**32
    )  # textures are strong in long waves: lean on the short ones
    power = np.zeros(BITS)
    np.add.at(power, owner, length**2)
    return ky, kx, weights / np.sqrt(power[owner]), owner


def _sums(pixels: NDArray[np.generic], key: int) -> NDArray[np.float64]:
    """The sum of each bit: a projection of the grey picture on a unit pattern."""
    height, width = pixels.shape[:2]
    ky, kx, weights, owner = _plan(key)
    spectrum = np.fft.rfft2(pixels.astype(np.float64).mean(2))
    found = (kx <= width // 2) & (np.abs(ky) < height // 2)
    values = np.zeros(len(kx))
    chosen = spectrum[ky[found] % height, kx[found]]
    values[found] = (chosen * np.conj(weights[found])).real * np.sqrt(2.0 / (height * width))
    sums = np.zeros(BITS)
    np.add.at(sums, owner, values)
    return sums


def _waves(
    amounts: Sequence[float] | NDArray[np.float64], key: int, height: int, width: int
) -> NDArray[np.float64]:
    """(H, W): the sum of the bits' unit patterns, each times its amount.

    Periodic: all its waves fit the picture.
    """
    ky, kx, weights, owner = _plan(key)
    spectrum = np.zeros((height, width // 2 + 1), np.complex128)
    spectrum[ky % height, kx] = np.asarray(amounts)[owner] * weights * np.sqrt(height * width / 2.0)
    result: NDArray[np.float64] = np.fft.irfft2(spectrum, (height, width))
    return result
