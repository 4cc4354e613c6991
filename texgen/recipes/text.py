# SPDX-License-Identifier: Apache-2.0
"""Recipe <-> text.

``tg1:`` carries at most 64 bytes, ``tg1x:`` at most 4096. Both are base64url without padding.
Layout, integers as LEB128 varints: digest prefix (8 bytes), body, detail, CRC-32 (low 2 bytes, LE).
Body: drawn width px, height px, seed, psi (1/1000), classes (count, then index and weight in
1/1000), controls that differ from their default (count, then index and float32 LE), origin kind,
origin. Detail: scale, first 8 bytes of the upscaler's digest. Detail is left out where there is
none, and then in ``tg1:`` the origin kind, which is 0, too. Origins: 0 none; 1 variation (amount in
1/1000, locks as bits, length and body of the base); 2 mixture (mode, steps, mask's SHA-256 if
painted, count, then weight in 1/1000, length and body of each part); 3 capture (half floats, see
`_captured_bytes`).
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError
from texgen.modelcard import ModelCard
from texgen.recipes.build import (
    make_recipe,
    mix_recipe,
    vary_recipe,
    with_controls,
    with_origin,
    with_size,
)
from texgen.recipes.recipe import (
    DETAIL_DIGEST_HEX,
    DETAIL_SCALES,
    MAX_DEPTH,
    MAX_PARTS,
    Captured,
    Detail,
    Lock,
    MixMode,
    Mixture,
    Origin,
    Recipe,
    Variation,
)
from texgen.recipes.varint import varint

SHORT_PREFIX, LONG_PREFIX = "tg1:", "tg1x:"
SHORT_BYTES, LONG_BYTES = 64, 4096
DIGEST_BYTES = 8
LAYOUT_CHANNELS = 5
_KINDS: dict[type, int] = {Variation: 1, Mixture: 2, Captured: 3}
_MODES = tuple(MixMode)


def write_recipe(recipe: Recipe, card: ModelCard) -> str:
    """Recipe -> text; the shorter form whenever it fits.

    Raises InvalidRequestError when it is longer than the long form allows.
    """
    body = bytes.fromhex(recipe.model_digest)[:DIGEST_BYTES] + _body(recipe.drawn(), card)
    if recipe.detail:
        body += (
            (varint(0) if recipe.origin is None else b"")
            + varint(recipe.detail.scale)
            + bytes.fromhex(recipe.detail.upscaler)
        )
    body += struct.pack("<H", zlib.crc32(body) & 0xFFFF)
    if len(body) > LONG_BYTES:
        raise InvalidRequestError(
            f"the recipe is {len(body)} bytes long: {LONG_BYTES} are allowed; mix fewer or "
            f"simpler parts",
            "recipe",
        )
    prefix = SHORT_PREFIX if len(body) <= SHORT_BYTES and recipe.origin is None else LONG_PREFIX
    return prefix + base64.urlsafe_b64encode(body).decode().rstrip("=")


def read_recipe(text: str, card: ModelCard, size_px: tuple[int, int] | None = None) -> Recipe:
    """Text -> checked recipe; ``size_px`` (width, height) overrides the recipe's size.

    Raises InvalidRequestError when the text is damaged or was made by another model.
    """
    reader = _Reader(_unpack(text))
    digest = reader.take(DIGEST_BYTES).hex()
    if not card.digest.startswith(digest):
        raise InvalidRequestError(
            f"the recipe was made by model {digest[:12]}, this is {card.id} "
            f"{card.digest[:12]}: use that model's version for the same result",
            "recipe",
        )
    recipe = _read_body(reader, card)
    if reader.left():
        recipe = _enlarged(
            recipe, Detail(reader.varint(), reader.take(DETAIL_DIGEST_HEX // 2).hex())
        )
    return with_size(recipe, card, size_px or (recipe.width_px, recipe.height_px))


def recipe_model(text: str) -> str:
    """First digits (hex) of the digest of the model that a recipe names.

    Raises InvalidRequestError for a damaged text.
    """
    return _Reader(_unpack(text)).take(DIGEST_BYTES).hex()


def _enlarged(drawn: Recipe, detail: Detail) -> Recipe:
    if detail.scale not in DETAIL_SCALES:
        raise InvalidRequestError(
            f"the recipe is damaged: detail at scale {detail.scale}", "recipe"
        )
    return replace(
        drawn,
        width_px=drawn.width_px * detail.scale,
        height_px=drawn.height_px * detail.scale,
        detail=detail,
    )


def _body(recipe: Recipe, card: ModelCard) -> bytes:
    names = card.class_names()
    out = b"".join(
        varint(n)
        for n in (recipe.width_px, recipe.height_px, recipe.seed, round(recipe.psi * 1000))
    )
    out += varint(len(recipe.classes))
    for name, weight in recipe.classes:
        out += varint(names.index(name)) + varint(round(weight * 1000))
    moved = [
        (i, recipe.controls[c.name])
        for i, c in enumerate(card.controls)
        if recipe.controls[c.name] != _float32(c.default)
    ]
    out += varint(len(moved)) + b"".join(varint(i) + struct.pack("<f", v) for i, v in moved)
    if recipe.origin is None:
        return out
    return out + varint(_KINDS[type(recipe.origin)]) + _origin_bytes(recipe.origin, card)


def _origin_bytes(origin: Origin, card: ModelCard) -> bytes:
    match origin:
        case Variation(base, amount, locks):
            bits = sum(1 << i for i, lock in enumerate(Lock) if lock in locks)
            return varint(round(amount * 1000)) + varint(bits) + _nested(base, card)
        case Mixture(parts, mode, mask_sha256, steps):
            out = (
                varint(_MODES.index(mode))
                + varint(steps)
                + bytes.fromhex(mask_sha256)
                + varint(len(parts))
            )
            return out + b"".join(
                varint(round(w * 1000)) + _nested(part, card) for part, w in parts
            )
        case Captured():
            return _captured_bytes(origin)


def _nested(recipe: Recipe, card: ModelCard) -> bytes:
    body = _body(recipe, card)
    return varint(len(body)) + body


def _captured_bytes(captured: Captured) -> bytes:
    """Counts of code, shift and waves; code, shift, gain, offset, colour, relief as float16 LE;
    waves as int8 pairs; amplitudes as float16 (real, imaginary).
    """
    out = varint(len(captured.code)) + varint(len(captured.shift)) + varint(len(captured.waves))
    out += np.array(
        [
            *captured.code,
            *captured.shift,
            *captured.gain,
            *captured.offset,
            *captured.color,
            captured.relief_tiles,
        ],
        "<f2",
    ).tobytes()
    out += np.array(captured.waves, np.int8).tobytes()
    amplitudes = np.array(captured.amplitudes, np.complex64).reshape(-1)
    return out + np.stack([amplitudes.real, amplitudes.imag], -1).astype("<f2").tobytes()


def _read_body(reader: _Reader, card: ModelCard) -> Recipe:
    width, height, seed, psi = (reader.varint() for _ in range(4))
    try:
        mix = [
            (card.classes[reader.varint()].name, reader.varint() / 1000)
            for _ in range(reader.varint())
        ]
        controls = {
            card.controls[reader.varint()].name: reader.float32() for _ in range(reader.varint())
        }
    except IndexError as error:
        raise InvalidRequestError(
            "the recipe names a class or control that the model does not have", "recipe"
        ) from error
    kind = reader.varint() if reader.left() else 0
    if kind == 0:
        return make_recipe(card, mix, seed, (width, height), psi / 1000, controls)
    derived = _read_origin(kind, reader, card, seed, (width, height))
    return with_controls(
        with_size(derived, card, (width, height)), card, _all_controls(card) | controls
    )


def _all_controls(card: ModelCard) -> dict[str, float]:
    return {c.name: c.default for c in card.controls}


def _read_origin(
    kind: int, reader: _Reader, card: ModelCard, seed: int, size_px: tuple[int, int]
) -> Recipe:
    if kind == _KINDS[Variation]:
        amount, bits = reader.varint() / 1000, reader.varint()
        return vary_recipe(
            card,
            _read_nested(reader, card),
            seed,
            amount,
            [lock for i, lock in enumerate(Lock) if bits >> i & 1],
        )
    if kind == _KINDS[Mixture]:
        mode, steps = reader.varint(), reader.varint()
        if mode >= len(_MODES):
            raise InvalidRequestError(
                "the recipe is damaged: a mode of mixing that does not exist", "recipe"
            )
        mask = reader.take(32).hex() if _MODES[mode] is MixMode.PAINT else ""
        count = reader.varint()
        if count > MAX_PARTS:
            raise InvalidRequestError(
                f"the recipe mixes {count} parts: allowed are {MAX_PARTS}", "recipe"
            )
        parts = [
            (weight / 1000, _read_nested(reader, card))
            for weight in (reader.varint() for _ in range(count))
        ]
        return mix_recipe(
            card,
            [(part, weight) for weight, part in parts],
            _MODES[mode],
            size_px=size_px,
            mask_sha256=mask,
            steps=steps,
        )
    if kind == _KINDS[Captured]:
        plain = make_recipe(card, [(card.classes[0].name, 1.0)], seed, size_px)
        return with_origin(plain, _read_captured(reader))
    raise InvalidRequestError("the recipe is damaged: an origin that does not exist", "recipe")


def _read_nested(reader: _Reader, card: ModelCard) -> Recipe:
    return _read_body(_Reader(reader.take(reader.varint()), reader.depth + 1), card)


def _read_captured(reader: _Reader) -> Captured:
    codes, shifts, count = reader.varint(), reader.varint(), reader.varint()
    numbers = np.frombuffer(reader.take(2 * (codes + shifts + 10)), "<f2").astype(np.float64)
    waves = np.frombuffer(reader.take(2 * count), np.int8).reshape(-1, 2)
    parts = (
        np.frombuffer(reader.take(4 * LAYOUT_CHANNELS * count), "<f2")
        .astype(np.float64)
        .reshape(-1, LAYOUT_CHANNELS, 2)
    )
    if not (np.isfinite(numbers).all() and np.isfinite(parts).all()):
        raise InvalidRequestError(
            "the recipe is damaged: a captured number is not finite", "recipe"
        )
    rest = numbers[codes + shifts :]
    gain, offset, color = (_triple(rest[i : i + 3]) for i in (0, 3, 6))
    return Captured(
        code=tuple(map(float, numbers[:codes])),
        shift=tuple(map(float, numbers[codes : codes + shifts])),
        waves=tuple((int(y), int(x)) for y, x in waves),
        amplitudes=tuple(tuple(complex(re, im) for re, im in wave) for wave in parts),
        gain=gain,
        offset=offset,
        color=color,
        relief_tiles=float(rest[9]),
    )


def _triple(numbers: NDArray[np.float64]) -> tuple[float, float, float]:
    red, green, blue = map(float, numbers)
    return red, green, blue


def _unpack(text: str) -> bytes:
    text = text.strip()
    for prefix, limit in ((SHORT_PREFIX, SHORT_BYTES), (LONG_PREFIX, LONG_BYTES)):
        if text.startswith(prefix):
            code = text.removeprefix(prefix)
            try:
                body = base64.b64decode(
                    code + "=" * (-len(code) % 4), altchars=b"-_", validate=True
                )
            except (binascii.Error, ValueError) as error:
                raise InvalidRequestError(
                    "the recipe is damaged: it is not base64url text; copy it again", "recipe"
                ) from error
            if (
                base64.urlsafe_b64encode(body).decode().rstrip("=") != code
            ):  # unused bits of the last character
                raise InvalidRequestError(
                    "the recipe is damaged: its last character is not one that texgen writes",
                    "recipe",
                )
            if len(body) > limit:
                raise InvalidRequestError(
                    f"the recipe is {len(body)} bytes long: {prefix} allows {limit}", "recipe"
                )
            if len(body) < 3 or struct.unpack("<H", body[-2:])[0] != zlib.crc32(body[:-2]) & 0xFFFF:
                raise InvalidRequestError(
                    "the recipe is damaged: its checksum does not match; copy it again", "recipe"
                )
            return body[:-2]
    raise InvalidRequestError(
        f"{text[:24]!r} is not a recipe: it starts with {SHORT_PREFIX} or {LONG_PREFIX}", "recipe"
    )


def _float32(value: float) -> float:
    result: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return result


class _Reader:
    """Reads the binary layout; running out of bytes is a damaged recipe."""

    def __init__(self, data: bytes, depth: int = 0) -> None:
        self._data, self._at, self.depth = data, 0, depth
        if depth > MAX_DEPTH:
            raise InvalidRequestError(
                f"recipes lie more than {MAX_DEPTH} deep in each other", "recipe"
            )

    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        part = self._data[self._at : self._at + count]
        if len(part) < count:
            raise InvalidRequestError(
                "the recipe is damaged: it ends too early; copy it again", "recipe"
            )
        self._at += count
        return part

    def varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise InvalidRequestError("the recipe is damaged: a number in it is too long", "recipe")

    def float32(self) -> float:
        value: float = struct.unpack("<f", self.take(4))[0]
        return value
