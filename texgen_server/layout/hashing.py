# SPDX-License-Identifier: Apache-2.0
"""Random numbers that depend only on (seed, salt, y, x): the same in any order, in any window, on
any machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]
Integers = NDArray[np.int32]

MASK = 0xFFFFFFFF


def seed_word(seed: int, salt: int = 0) -> np.uint32:
    """Fold a seed of any size and a salt into 32 bits."""
    word = (salt * 0x27D4EB2F + 0x165667B1) & MASK
    rest = abs(seed) * 2 + (seed < 0)
    while True:
        word = (word ^ (rest & MASK)) * 0x9E3779B1 & MASK
        word ^= word >> 15
        rest >>= 32
        if rest == 0:
            return np.uint32(word)


def scramble(words: Words) -> Words:
    """Mix the bits of each word; a bijection of 32-bit words. Returns a new array."""
    out = words ^ (words >> np.uint32(16))
    out *= np.uint32(0x7FEB352D)
    out ^= out >> np.uint32(15)
    out *= np.uint32(0x846CA68B)
    out ^= out >> np.uint32(16)
    return out


def draw(
    seed: Words | np.uint32, salt: int, y: NDArray[np.integer], x: NDArray[np.integer]
) -> Words:
    """Hash each place to a word; ``seed``, ``y`` and ``x`` broadcast. Places may be negative."""
    rows = scramble(
        np.atleast_1d(np.asarray(seed, np.uint32) ^ seed_word(salt, 1))
        ^ (np.asarray(y).astype(np.uint32) * np.uint32(0x9E3779B1))
    )
    return scramble(rows ^ (np.asarray(x).astype(np.uint32) * np.uint32(0x85EBCA77)))


def below(words: Words, count: int) -> Integers:
    """Map words to integers in [0, count) evenly; ``count`` at most 65536."""
    return ((words >> np.uint32(16)).astype(np.int64) * count >> 16).astype(np.int32)
