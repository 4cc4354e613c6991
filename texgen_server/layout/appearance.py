# SPDX-License-Identifier: Apache-2.0
"""Matching vectors of an exemplar on every level: the look of each cell and of its surroundings as
a few small integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen_server.layout.exemplar import FEATURE_LIMIT, ExemplarCells
from texgen_server.layout.hashing import draw, seed_word
from texgen_server.layout.principal import principal, spread

Integers = NDArray[np.int32]
Floats = NDArray[np.float32]

CHANNELS = 10
"""Components of the latents that are matched."""
DIMENSIONS = 16
"""Length of an appearance vector and of a neighbourhood vector."""
REACH = 127
NEIGHBOURHOOD_LIMIT = 511
"""Largest entry of a neighbourhood vector: squared distances stay below 2^24, so that float32 holds
them exactly.
"""
SAMPLED = 2048
"""Number of cells from whose surroundings the principal components are computed."""
AROUND = tuple((a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0))
"""The eight neighbours, in the order in which their shares are stored."""
WIDE = tuple((a, b) for a in range(-2, 3) for b in range(-2, 3))


@dataclass(frozen=True)
class Level:
    """One level of an exemplar of n cells; ``spacing`` is the distance of neighbours in cells."""

    spacing: int
    appearance: Floats
    """(n, `DIMENSIONS`) whole numbers: the cell within its 5 x 5 surroundings."""
    wanted: Floats
    """(n, `DIMENSIONS`) whole numbers up to `NEIGHBOURHOOD_LIMIT`: the sum of its eight neighbours'
    shares.
    """
    shares: NDArray[np.int16]
    """(n * 8, `DIMENSIONS`): row 8 u + k is the share of cell u as neighbour k; the sum over k is
    compared with `wanted`.
    """
    mean_energy: int
    """Mean squared length of `wanted`."""


def spacings(shape: tuple[int, int]) -> list[int]:
    """List the spacings of an exemplar's levels, coarse to fine: from about a quarter of its edge
    down to 1.
    """
    top = 1
    while top * 8 <= min(shape) and top < 32:
        top *= 2
    return [top >> k for k in range(top.bit_length())]


def make_levels(cells: ExemplarCells) -> list[Level]:
    """Make the levels of an exemplar, coarse to fine."""
    channels = _channels(cells)
    low = _colour(channels)
    return [_level(channels, low, spacing) for spacing in spacings(cells.shape)]


def _channels(cells: ExemplarCells) -> Integers:
    """Stack the strongest components of the latents and further features:

    (rows, columns, `CHANNELS`), at most 12 bits each.
    """
    parts = [cells.latents] if cells.extra is None else [cells.latents, cells.extra]
    stack = np.clip(
        np.concatenate([p.astype(np.int32) for p in parts], -1), -FEATURE_LIMIT, FEATURE_LIMIT
    )
    flat = stack.reshape(-1, stack.shape[-1]).astype(np.int64)
    flat = flat - flat.sum(0) // len(flat)
    small = spread(flat, REACH, REACH)
    basis = principal(small[_sample(len(flat))], CHANNELS)
    turned = (small.astype(np.float32) @ basis).reshape(*cells.shape, -1)
    return spread(turned, 2047, 8191)


def _colour(channels: Integers) -> Integers:
    """Blur the three strongest components over about four cells."""
    return blur(channels[..., :3], 8)


def blur(values: Integers, spacing: int) -> Integers:
    """Blur (rows, columns, ...) on the torus by 1-2-1 kernels at distances 1, 2 ...

    ``spacing / 2``: a deviation of about 0.4 spacings.
    """
    step = 1
    while step < spacing:
        for axis in (0, 1):
            values = (
                np.roll(values, step, axis) + 2 * values + np.roll(values, -step, axis) + 2
            ) >> 2
        step *= 2
    return values


def _level(channels: Integers, low: Integers, spacing: int) -> Level:
    picture = blur(channels, max(1, spacing // 2))
    if spacing <= 4:
        picture = np.concatenate([picture, 2 * low], -1)
    picture = spread(picture, REACH, REACH)
    around = _stack(picture, WIDE, spacing)
    chosen = _sample(len(around))
    appearance = spread(around @ principal(around[chosen], DIMENSIONS), REACH, REACH).astype(
        np.float32
    )
    grid = appearance.reshape(*channels.shape[:2], -1)
    basis = principal(_stack(grid, AROUND, spacing)[chosen], DIMENSIONS)
    shares = _shares(appearance, basis)
    wanted = gather_wanted(shares, _neighbour_places(channels.shape[:2], spacing))
    energy = int((wanted.astype(np.int64) ** 2).sum()) // len(wanted)
    return Level(spacing, appearance, wanted, shares, max(1, energy))


def _stack(
    picture: NDArray[np.generic], places: tuple[tuple[int, int], ...], spacing: int
) -> Floats:
    """(n, len(places) * channels): the values at each place relative to each cell."""
    rolled = [np.roll(picture, (-spacing * a, -spacing * b), (0, 1)) for a, b in places]
    return (
        np.concatenate(rolled, -1)
        .reshape(picture.shape[0] * picture.shape[1], -1)
        .astype(np.float32)
    )


def _shares(appearance: Floats, basis: Floats) -> NDArray[np.int16]:
    """Project the share of each cell as each of the eight neighbours; one scale for all, so that
    sums are comparable.
    """
    parts = basis.reshape(len(AROUND), -1, basis.shape[-1])
    said = np.stack([appearance @ part for part in parts], 1)
    together = spread(said.reshape(-1, said.shape[-1]), 180, NEIGHBOURHOOD_LIMIT)
    return together.astype(np.int16)


def _neighbour_places(shape: tuple[int, int], spacing: int) -> NDArray[np.intp]:
    """(8, n): for each cell the index of its neighbours in the exemplar."""
    index = np.arange(shape[0] * shape[1], dtype=np.intp).reshape(shape)
    return np.stack(
        [np.roll(index, (-spacing * a, -spacing * b), (0, 1)).ravel() for a, b in AROUND]
    )


def gather_wanted(shares: NDArray[np.int16], places: NDArray[np.intp]) -> Floats:
    """Sum the shares of the cells at ``places`` (8, m) as neighbours 0 to 7:

    (m, `DIMENSIONS`) whole numbers.
    """
    rows = places * len(AROUND) + np.arange(len(AROUND), dtype=np.intp)[:, None]
    said = shares.take(rows.ravel(), axis=0).reshape(len(AROUND), -1, shares.shape[1])
    total = np.add.reduce(said, axis=0, dtype=np.int16)
    out: Floats = np.clip(total, -NEIGHBOURHOOD_LIMIT, NEIGHBOURHOOD_LIMIT).astype(np.float32)
    return out


def _sample(cells: int) -> NDArray[np.intp]:
    """Choose at most `SAMPLED` cells by hash."""
    if cells <= SAMPLED:
        return np.arange(cells, dtype=np.intp)
    words = draw(seed_word(cells), 3, np.arange(cells), np.zeros(1, np.int32))
    return np.sort(np.argsort(words, kind="stable")[:SAMPLED])
