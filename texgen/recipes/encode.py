# SPDX-License-Identifier: Apache-2.0
"""Encodes recipes to bytes; `texgen.recipes.text` describes the layout."""

from __future__ import annotations

import struct

import numpy as np

from texgen.modelcard import ModelCard
from texgen.recipes.build import to_float32
from texgen.recipes.recipe import Captured, Lock, MixMode, Mixture, Origin, Recipe, Variation
from texgen.recipes.varint import varint

ORIGIN_KINDS: dict[type, int] = {Variation: 1, Mixture: 2, Captured: 3}
"""Numbers of the kinds of origin; 0 is none."""
MIX_MODES = tuple(MixMode)
"""Modes of mixing in the order of their numbers."""


def encode_body(recipe: Recipe, card: ModelCard) -> bytes:
    """Encode a recipe without digest, detail and checksum."""
    names = card.class_names()
    out = b"".join(
        varint(n)
        for n in (recipe.width_px, recipe.height_px, recipe.seed, round(recipe.psi * 1000))
    )
    out += varint(len(recipe.classes))
    for name, weight in recipe.classes:
        out += varint(names.index(name)) + varint(round(weight * 1000))
    changed = [
        (i, recipe.controls[c.name])
        for i, c in enumerate(card.controls)
        if recipe.controls[c.name] != to_float32(c.default)
    ]
    out += varint(len(changed)) + b"".join(varint(i) + struct.pack("<f", v) for i, v in changed)
    if recipe.origin is None:
        return out
    return out + varint(ORIGIN_KINDS[type(recipe.origin)]) + _encode_origin(recipe.origin, card)


def _encode_origin(origin: Origin, card: ModelCard) -> bytes:
    match origin:
        case Variation(base, amount, locks):
            bits = sum(1 << i for i, lock in enumerate(Lock) if lock in locks)
            return varint(round(amount * 1000)) + varint(bits) + _encode_nested(base, card)
        case Mixture(parts, mode, mask_sha256, steps):
            out = (
                varint(MIX_MODES.index(mode))
                + varint(steps)
                + bytes.fromhex(mask_sha256)
                + varint(len(parts))
            )
            return out + b"".join(
                varint(round(w * 1000)) + _encode_nested(part, card) for part, w in parts
            )
        case Captured():
            return _encode_capture(origin)


def _encode_nested(recipe: Recipe, card: ModelCard) -> bytes:
    body = encode_body(recipe, card)
    return varint(len(body)) + body


def _encode_capture(captured: Captured) -> bytes:
    """Encode the counts of code, shift and waves; code, shift, gain, offset, colour, relief as
    float16 LE; waves as int8 pairs; amplitudes as float16 (real, imaginary).
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
