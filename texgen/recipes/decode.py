# SPDX-License-Identifier: Apache-2.0
"""Decodes recipes from bytes; `texgen.recipes.text` describes the layout."""

from __future__ import annotations

import struct

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
from texgen.recipes.encode import MIX_MODES, ORIGIN_KINDS
from texgen.recipes.recipe import (
    MAX_DEPTH,
    MAX_PARTS,
    Captured,
    Lock,
    MixMode,
    Mixture,
    Recipe,
    Variation,
)

CAPTURE_CHANNELS = 5
"""Channels of the waves of a capture."""


class RecipeReader:
    """Reads numbers from the bytes of a recipe.

    Raises InvalidRequestError when the bytes end too early.
    """

    def __init__(self, data: bytes, depth: int = 0) -> None:
        self._data, self._at, self.depth = data, 0, depth
        if depth > MAX_DEPTH:
            raise InvalidRequestError(
                f"recipes lie more than {MAX_DEPTH} deep in each other", "recipe"
            )

    def remaining(self) -> int:
        """Return the number of unread bytes."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """Read so many bytes."""
        part = self._data[self._at : self._at + count]
        if len(part) < count:
            raise InvalidRequestError(
                "the recipe is damaged: it ends too early; copy it again", "recipe"
            )
        self._at += count
        return part

    def varint(self) -> int:
        """Read a varint."""
        value = shift = 0
        while shift < 70:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise InvalidRequestError("the recipe is damaged: a number in it is too long", "recipe")

    def float32(self) -> float:
        """Read a float32 LE."""
        value: float = struct.unpack("<f", self.take(4))[0]
        return value


def decode_body(reader: RecipeReader, card: ModelCard) -> Recipe:
    """Decode and check a recipe without detail. Raises InvalidRequestError."""
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
    kind = reader.varint() if reader.remaining() else 0
    if kind == 0:
        return make_recipe(card, mix, seed, (width, height), psi / 1000, controls)
    derived = _decode_origin(kind, reader, card, seed, (width, height))
    return with_controls(
        with_size(derived, card, (width, height)), card, _all_controls(card) | controls
    )


def _all_controls(card: ModelCard) -> dict[str, float]:
    return {c.name: c.default for c in card.controls}


def _decode_origin(
    kind: int, reader: RecipeReader, card: ModelCard, seed: int, size_px: tuple[int, int]
) -> Recipe:
    if kind == ORIGIN_KINDS[Variation]:
        amount, bits = reader.varint() / 1000, reader.varint()
        return vary_recipe(
            card,
            _decode_nested(reader, card),
            seed,
            amount,
            [lock for i, lock in enumerate(Lock) if bits >> i & 1],
        )
    if kind == ORIGIN_KINDS[Mixture]:
        return _decode_mixture(reader, card, size_px)
    if kind == ORIGIN_KINDS[Captured]:
        plain = make_recipe(card, [(card.classes[0].name, 1.0)], seed, size_px)
        return with_origin(plain, _decode_capture(reader))
    raise InvalidRequestError("the recipe is damaged: an origin that does not exist", "recipe")


def _decode_mixture(reader: RecipeReader, card: ModelCard, size_px: tuple[int, int]) -> Recipe:
    mode, steps = reader.varint(), reader.varint()
    if mode >= len(MIX_MODES):
        raise InvalidRequestError(
            "the recipe is damaged: a mode of mixing that does not exist", "recipe"
        )
    mask = reader.take(32).hex() if MIX_MODES[mode] is MixMode.PAINT else ""
    count = reader.varint()
    if count > MAX_PARTS:
        raise InvalidRequestError(
            f"the recipe mixes {count} parts: allowed are {MAX_PARTS}", "recipe"
        )
    parts = [
        (weight / 1000, _decode_nested(reader, card))
        for weight in (reader.varint() for _ in range(count))
    ]
    return mix_recipe(
        card,
        [(part, weight) for weight, part in parts],
        MIX_MODES[mode],
        size_px=size_px,
        mask_sha256=mask,
        steps=steps,
    )


def _decode_nested(reader: RecipeReader, card: ModelCard) -> Recipe:
    return decode_body(RecipeReader(reader.take(reader.varint()), reader.depth + 1), card)


def _decode_capture(reader: RecipeReader) -> Captured:
    codes, shifts, count = reader.varint(), reader.varint(), reader.varint()
    numbers = np.frombuffer(reader.take(2 * (codes + shifts + 10)), "<f2").astype(np.float64)
    waves = np.frombuffer(reader.take(2 * count), np.int8).reshape(-1, 2)
    parts = (
        np.frombuffer(reader.take(4 * CAPTURE_CHANNELS * count), "<f2")
        .astype(np.float64)
        .reshape(-1, CAPTURE_CHANNELS, 2)
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
